using System.Diagnostics;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors.Benchmarks;

/// <summary>Attention of a prompt (multiplications of the visible half a second) and of one token (bytes of cache read a second).</summary>
internal static class AttentionBench
{
    public static void Run(int threads, string[] shapes, string[] formats, int length, double budget, ReadBandwidth bandwidth)
    {
        using CpuOps ops = new(threads);
        Console.WriteLine($"{ops.Pool.Threads} threads, {length} tokens");
        Console.WriteLine("heads      dimension  format   prefill GMAC/s   decode GB/s   of read bandwidth");
        foreach ((int kvHeads, int group, int dimension) in new[] { (8, 4, 64), (8, 4, 128), (2, 7, 64), (32, 1, 128), (4, 4, 80), (4, 2, 256) })
        {
            if (shapes.Length > 0 && !shapes.Contains($"{kvHeads}x{group}x{dimension}"))
                continue;
            foreach (string name in formats)
            {
                KvFormat format = KvFormats.KvFormats.Get(name);
                KvShape shape = new(Math.Max(1, (int)(200e6 / KvStore.BlockBytes(format, new KvShape(1, kvHeads, dimension, dimension)) / (length / 32))), kvHeads, dimension, dimension);
                using KvStore store = new(format, 0, shape, length / 32);
                for (int block = 0; block < store.Blocks; block++)
                    store.Block(block).Fill(0x2A); // small numbers in every format, and memory that is there
                int[][] table = [[.. Enumerable.Range(0, length / 32)]];
                double prefill = Time(ops, store, table, kvHeads * group, 0, length, budget);
                double decode = Time(ops, store, table, kvHeads * group, length - 1, 1, budget);
                double macs = (double)length * (length + 1) / 2 * kvHeads * group * 2 * dimension;
                double bytes = (double)KvStore.BlockBytes(format, shape) / shape.Layers * (length / 32), read = bandwidth.Measure(ops.Pool);
                Console.WriteLine(
                    $"{kvHeads,3} x {group,-4} {dimension,9}  {name,-8} {macs / prefill / 1e9,13:F1} {bytes / decode / 1e9,13:F1} {bytes / decode / read,12:P0} of {read / 1e9:F1}");
            }
        }
    }

    /// <summary>The best time of a batch, seconds; every call uses another layer, so that the cache is not in the processor's.</summary>
    private static double Time(CpuOps ops, KvStore store, int[][] table, int heads, int past, int count, double budget)
    {
        using ScratchScope all = ops.Scratch();
        KvShape shape = store.Shape;
        Tensor q = Filled(ops, count, heads * shape.KeyDimension), k = Filled(ops, count, shape.Heads * shape.KeyDimension);
        Batch batch = new();
        batch.BeginSequence(past, table);
        for (int i = 0; i < count; i++)
            batch.Add(0, false);
        AttentionSpec spec = new(heads, 1 / MathF.Sqrt(shape.KeyDimension));
        double best = double.MaxValue;
        Stopwatch total = Stopwatch.StartNew();
        for (int layer = 0; total.Elapsed.TotalSeconds < budget || layer < 3; layer++)
        {
            using ScratchScope scope = ops.Scratch();
            long start = Stopwatch.GetTimestamp();
            ops.Attention(q, k, k, spec, store.Layer(layer % shape.Layers), batch);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    private static Tensor Filled(CpuOps ops, int rows, int columns)
    {
        Tensor x = ops.Allocate(rows, columns);
        Random random = new(1);
        for (int row = 0; row < rows; row++)
        {
            foreach (ref float value in x[row])
                value = random.NextSingle() - 0.5f;
        }
        return x;
    }
}
