using System.Diagnostics;
using Iced.Intel;
using Sluice.Tensors.Cpu;
using static Iced.Intel.AssemblerRegisters;

namespace Sluice.Tensors.Benchmarks;

/// <summary>What one core can do at most: loops of nothing but the instructions that the kernels are made of.</summary>
internal static unsafe class Peaks
{
    private const int Iterations = 20_000;

    public static void Print()
    {
        Print("vpdpbusd, registers (int8)", 64, (c, i) => c.vpdpbusd(Zmm(i), zmm24, zmm25));
        Print("vpdpbusd, broadcast operand", 64, (c, i) => c.vpdpbusd(Zmm(i), zmm24, __dword_bcst[rdi + i * 4]));
        Print("vpdpbusd, 2 of 3 from memory", 64, (c, i) =>
        {
            if (i % 3 == 0)
                c.vpdpbusd(Zmm(i), zmm24, zmm25);
            else
                c.vpdpbusd(Zmm(i), zmm24, __dword_bcst[rdi + i * 4]);
        });
        Print("vdpbf16ps, registers", 32, (c, i) => c.vdpbf16ps(Zmm(i), zmm24, zmm25));
        Print("vfmadd231ps, registers", 16, (c, i) => c.vfmadd231ps(Zmm(i), zmm24, zmm25));
        Print("vfmadd231ps, broadcast operand", 16, (c, i) => c.vfmadd231ps(Zmm(i), zmm24, __dword_bcst[rdi + i * 4]));
        Print("vpbroadcastd from memory", 16, (c, i) => c.vpbroadcastd(Zmm(i), __dword_ptr[rdi + i * 4]));
        Print("vmovups from memory", 16, (c, i) => c.vmovups(Zmm(i), __zmmword_ptr[rdi + i * 64]));
    }

    /// <summary>The kernels alone, on data in the nearest caches.</summary>
    public static void PrintKernels(Kernels kernels)
    {
        using WorkerScratch room = new();
        const int Groups = WorkerScratch.Columns / IntegerPanels.Group;
        byte* data = (byte*)System.Runtime.InteropServices.NativeMemory.AlignedAlloc(1 << 20, 64);
        new Span<byte>(data, 1 << 20).Clear();
        sbyte* activations = (sbyte*)data;
        float* notes = (float*)(data + (512 << 10)), sums = room.Sums;
        IntegerKind[] kinds = [new(128, 1, false, false), new(8, 1, false, true), new(0, 1, true, true), new(32, 2, false, true), new(0, 2, true, true)];
        foreach (IntegerKind kind in kinds)
        {
            foreach (int tokens in (int[])[1, 4, 8])
            {
                double one = Time(() => kernels.Integers(kind, tokens, room.Codes, room.Scales, activations, notes, sums, Groups));
                double pair = kernels.HasPairs
                    ? Time(() => kernels.IntegerPair(kind, tokens, room.Codes, room.Scales, activations, notes, sums, Groups))
                    : double.PositiveInfinity;
                double products = (double)WorkerScratch.Columns * Panels.Height * tokens / 1e9;
                Console.WriteLine($"{kind,-80} {tokens} tokens: {products / one,6:F0} GMAC/s, pairs {2 * products / pair,6:F0}");
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

    private static void Print(string what, int perInstruction, Action<Assembler, int> write)
    {
        Assembler c = new(64);
        for (int i = 0; i < 26; i++)
            c.vpxord(Zmm(i), Zmm(i), Zmm(i));
        Label loop = c.CreateLabel();
        c.Label(ref loop);
        for (int i = 0; i < 24; i++)
            write(c, i);
        c.dec(rsi);
        c.jnz(loop);
        c.vzeroupper();
        c.ret();
        using MemoryStream code = new();
        c.Assemble(new StreamCodeWriter(code), 0);
        var run = (delegate* unmanaged[SuppressGCTransition]<byte*, nint, void>)ExecutableMemory.Load(code.ToArray());
        byte* data = stackalloc byte[24 * 64 + 64];
        data = (byte*)(((nint)data + 63) & ~63);
        double best = double.MaxValue;
        for (int i = 0; i < 50; i++)
        {
            long start = Stopwatch.GetTimestamp();
            run(data, Iterations);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        double perSecond = 24.0 * Iterations / best;
        Console.WriteLine($"{what,-32} {perSecond / 1e9,6:F2} G/s {perSecond * perInstruction / 1e9,8:F0} G products or lanes/s");
    }

    private static AssemblerRegisterZMM Zmm(int i) => Registers[i];

    private static readonly AssemblerRegisterZMM[] Registers =
    [
        zmm0, zmm1, zmm2, zmm3, zmm4, zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12, zmm13, zmm14, zmm15,
        zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25,
    ];
}
