using System.Diagnostics;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Benchmarks;

/// <summary>
/// What activation sparsity gains for one token, or few: the linear maps of a layer of llama-3.2-1b, of several layers so that none fits in a cache.
/// Shares of zeros take turns, and the least time of each map counts, so that a machine that does other things too disturbs all alike.
/// </summary>
internal static class SparsityBench
{
    private const int Layers = 4, Embedding = 2048, KeyValue = 512, FeedForward = 8192;
    private static readonly string[] Maps = ["q+k+v", "output", "gate+up", "down"];

    public static void Run(int threads, string[] formats, double[] shares, int tokens, double seconds)
    {
        using CpuOps scratch = new(1);
        Tensor x = Inputs(scratch, tokens, Embedding), y = Inputs(scratch, tokens, FeedForward);
        foreach (string name in formats)
        {
            using CpuOps ops = new(threads);
            WeightFormat format = WeightFormats.Get(name);
            WeightData q = Data(format, Embedding, Embedding), k = Data(format, Embedding, KeyValue);
            WeightData gate = Data(format, Embedding, FeedForward), down = Data(format, FeedForward, Embedding);
            // Inputs are spread evenly from -0.5 to 0.5.
            Weight[][] weights =
            [
                .. shares.Select(share => Enumerable.Range(0, Layers).SelectMany(_ => (Weight[])
                [
                    ops.LoadWeight(Sparse(q, share), Sparse(k, share), Sparse(k, share)), ops.LoadWeight(Sparse(q, share)),
                    ops.LoadWeight(Sparse(gate, share), Sparse(gate, share)), ops.LoadWeight(Sparse(down, share)),
                ]).ToArray()),
            ];
            double[][] best = [.. shares.Select(_ => Enumerable.Repeat(double.PositiveInfinity, Maps.Length).ToArray())];
            for (Stopwatch watch = Stopwatch.StartNew(); watch.Elapsed.TotalSeconds < seconds;)
            {
                for (int s = 0; s < shares.Length; s++)
                {
                    for (int i = 0; i < weights[s].Length; i++)
                    {
                        int map = i % Maps.Length;
                        long start = Stopwatch.GetTimestamp();
                        using (ops.Scratch())
                        {
                            if (map == 2)
                                ops.GatedLinear(Activation.Silu, x, weights[s][i]);
                            else
                                ops.Linear(map == 3 ? y : x, weights[s][i]);
                        }
                        best[s][map] = Math.Min(best[s][map], Stopwatch.GetElapsedTime(start).TotalMicroseconds);
                    }
                }
            }
            for (int s = 0; s < shares.Length; s++)
            {
                Console.WriteLine(
                    $"{name,-6} {shares[s],4:P0} zero: {string.Join(", ", Maps.Select((map, i) => $"{map} {best[s][i]:F0}"))}; layer {best[s].Sum():F0} us, x{best[0].Sum() / best[s].Sum():F2}");
            }
        }
    }

    private static WeightData Sparse(WeightData data, double share) => data.WithThreshold((float)share / 2);

    private static Tensor Inputs(CpuOps ops, int tokens, int columns)
    {
        Tensor x = ops.Allocate(tokens, columns);
        for (int token = 0; token < tokens; token++)
            Fill(x[token], seed: 1 + token);
        return x;
    }

    // Each row the same, which makes no difference to the time.
    private static WeightData Data(WeightFormat format, int columns, int rows)
    {
        float[] values = new float[columns];
        Fill(values);
        byte[] row = new byte[format.Bytes(columns)], bytes = new byte[(long)row.Length * rows];
        format.Quantize(values, row);
        for (int i = 0; i < rows; i++)
            row.CopyTo(bytes, (long)i * row.Length);
        return WeightData.FromBytes(format.Name, format, columns, rows, 1, bytes);
    }

    private static void Fill(Span<float> values, int seed = 1)
    {
        Random random = new(seed);
        foreach (ref float value in values)
            value = random.NextSingle() - 0.5f;
    }
}
