using System.Diagnostics;
using Iced.Intel;
using Sluice.Tensors.Cpu;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Benchmarks;

/// <summary>What one core can do at most: loops of nothing but the instructions that the kernels are made of.</summary>
internal static unsafe class Peaks
{
    private const int Iterations = 40_000;

    public static void Print()
    {
        Print("vpdpbusd, registers (int8)", 64, PeakLoop.Integers);
        Print("vpdpbusd, broadcast operand", 64, (c, i) => c.vpdpbusd(PeakLoop.Sum(i), PeakLoop.X, __dword_bcst[PeakLoop.Data + i * 4]));
        Print("vpdpbusd, 2 of 3 from memory", 64, (c, i) =>
        {
            if (i % 3 == 0)
                c.vpdpbusd(PeakLoop.Sum(i), PeakLoop.X, PeakLoop.Y);
            else
                c.vpdpbusd(PeakLoop.Sum(i), PeakLoop.X, __dword_bcst[PeakLoop.Data + i * 4]);
        });
        if (VnniKernels.IsBFloat16Supported)
            Print("vdpbf16ps, registers", 32, PeakLoop.Bfloat16s);
        Print("vfmadd231ps, registers", 16, PeakLoop.Floats);
        Print("vfmadd231ps, broadcast operand", 16, (c, i) => c.vfmadd231ps(PeakLoop.Sum(i), PeakLoop.X, __dword_bcst[PeakLoop.Data + i * 4]));
        Print("vpbroadcastd from memory", 16, (c, i) => c.vpbroadcastd(PeakLoop.Sum(i), __dword_ptr[PeakLoop.Data + i * 4]));
        Print("vmovups from memory", 16, (c, i) => c.vmovups(PeakLoop.Sum(i), __zmmword_ptr[PeakLoop.Data + i * 64]));
    }

    /// <summary>The kernels alone, on data in the nearest caches.</summary>
    public static void PrintKernels(Kernels kernels)
    {
        using WorkerScratch room = new();
        const int Groups = WorkerScratch.Columns / IntegerPanels.Group, Tiles = 4; // of which all data fit in the first-level cache
        byte* data = (byte*)System.Runtime.InteropServices.NativeMemory.AlignedAlloc(1 << 20, 64);
        new Span<byte>(data, 1 << 20).Clear();
        sbyte* activations = (sbyte*)data;
        float* notes = (float*)(data + (512 << 10)), sums = room.SumsOf(0, 0);
        IntegerKind[] kinds =
        [
            new(128, 1, false, 8, false), new(8, 1, false, 4, false), new(0, 1, true, 4, true), new(32, 2, false, 7, true),
            new(0, 2, true, 4, true), new(0, 1, true, 4, false), new(32, 2, false, 7, false),
        ];
        foreach (IntegerKind kind in kinds)
        {
            foreach (int tokens in (int[])[1, 4, 6, 8])
            {
                double one = Time(() => kernels.Integers(kind, tokens, room.Codes, room.Scales, activations, notes, sums, Groups));
                double pair = kernels.HasPairs && tokens <= Kernels.PairTokens
                    ? Time(() => kernels.IntegerPair(kind, tokens, new PairArguments
                    {
                        Codes = room.Codes,
                        Scales = room.Scales,
                        Activations = activations,
                        Notes = notes,
                        Sums = sums,
                        Groups = Groups,
                        Tiles = Tiles,
                    }))
                    : double.PositiveInfinity;
                double products = (double)WorkerScratch.Columns * Panels.Height * tokens / 1e9;
                Console.WriteLine($"{kind,-80} {tokens} tokens: {products / one,6:F0} GMAC/s, pairs {2 * Tiles * products / pair,6:F0}");
            }
        }
        foreach (int tokens in (int[])[1, 4, 8])
        {
            double one = Time(() => kernels.Floats(tokens, room.Values, (float*)activations, sums, WorkerScratch.Columns));
            double pair = kernels.HasPairs
                ? Time(() => kernels.FloatPair(tokens, room.Values, (float*)activations, sums, WorkerScratch.Columns))
                : double.PositiveInfinity;
            double products = (double)WorkerScratch.Columns * Panels.Height * tokens / 1e9;
            Console.WriteLine($"{"floats",-80} {tokens} tokens: {products / one,6:F0} GMAC/s, pairs {2 * products / pair,6:F0}");
        }
    }

    private static double Time(Action action)
    {
        double best = double.MaxValue;
        for (int i = 0; i < 300; i++)
        {
            long start = Stopwatch.GetTimestamp();
            for (int j = 0; j < 50; j++)
                action();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds / 50);
        }
        return best;
    }

    private static void Print(string what, int products, Action<Assembler, int> write) =>
        Print(what, products, new PeakLoop(products, write));

    private static void Print(string what, int products, PeakLoop loop)
    {
        double best = 0;
        for (int i = 0; i < 50; i++)
        {
            long start = Stopwatch.GetTimestamp();
            best = Math.Max(best, loop.Run(Iterations) / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        Console.WriteLine($"{what,-32} {best / products / 1e9,6:F2} G/s {best / 1e9,8:F0} G products or lanes/s");
    }
}
