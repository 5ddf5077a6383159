using System.Diagnostics;

namespace Sluice.Tensors.Cpu;

/// <summary>What this machine can do at most, measured: the roofline (Williams, Waterman and Patterson 2009) of its operations.</summary>
/// <param name="Threads">The threads of <see cref="Rate.AllThreads"/>.</param>
/// <param name="InstructionSet">The kernels' instruction set.</param>
/// <param name="ReadBytes">Bytes read from memory in a second.</param>
/// <param name="Int8">Products of bytes, each with its addition, in a second, by that instruction set.</param>
/// <param name="Float32">The same of single precision.</param>
/// <param name="BFloat16">The same of bfloat16, where the kernels have such instructions; else BF16 weights are multiplied as singles.</param>
public sealed record MachineLimits(int Threads, string InstructionSet, Rate ReadBytes, Rate Int8, Rate Float32, Rate? BFloat16)
{
    private const double Seconds = 0.4; // of a measurement: enough that some stretch of it is not disturbed

    /// <summary>
    /// Whether all threads together did much less than each alone: they had no core each, so that the limits are too low.
    /// </summary>
    public bool IsDisturbed => IsShort(Int8) || IsShort(Float32);

    /// <summary>Measures for about three seconds; anything else that runs meanwhile makes the machine look slower than it is.</summary>
    /// <param name="threads">How many threads; 0 for one on each physical core.</param>
    public static MachineLimits Measure(int threads = 0)
    {
        Kernels kernels = Kernels.Best();
        using WorkerPool one = new(1), all = new(threads);
        return new MachineLimits(
            all.Threads, kernels.Name, Bandwidth(one, all), Peak(kernels.IntegerPeak, one, all), Peak(kernels.FloatPeak, one, all),
            kernels.HasBFloat16 ? Peak(kernels.BFloat16Peak, one, all) : null);
    }

    /// <summary>The seconds that an operation takes at least.</summary>
    /// <param name="bytes">What it must read and write once.</param>
    /// <param name="int8">Its products of bytes.</param>
    /// <param name="float32">Its products in single precision.</param>
    /// <param name="bfloat16">Its products of bfloat16.</param>
    /// <returns>The time, and what most of it is spent on.</returns>
    public (double Seconds, Bound Bound) LeastTime(double bytes, double int8, double float32, double bfloat16 = 0)
    {
        double memory = bytes / ReadBytes.AllThreads, integers = int8 / Int8.AllThreads;
        double pairs = BFloat16 is { } rate ? bfloat16 / rate.AllThreads : 0;
        double floats = (BFloat16 is null ? float32 + bfloat16 : float32) / Float32.AllThreads;
        double arithmetic = integers + pairs + floats;
        if (memory >= arithmetic)
            return (memory, Bound.Memory);
        return (arithmetic, integers >= Math.Max(pairs, floats) ? Bound.Int8 : pairs > floats ? Bound.BFloat16 : Bound.Float32);
    }

    private bool IsShort(Rate rate) => rate.AllThreads < 0.75 * Threads * rate.OneThread;

    private static Rate Bandwidth(WorkerPool one, WorkerPool all)
    {
        using ReadBandwidth memory = new();
        return new Rate(memory.Measure(one, passes: 8), memory.Measure(all, passes: 16));
    }

    private static Rate Peak(Func<int, long> loop, WorkerPool one, WorkerPool all) => new(Peak(loop, one), Peak(loop, all));

    private static double Peak(Func<int, long> loop, WorkerPool pool)
    {
        const int Rounds = 50_000;
        int items = pool.Threads * 8;
        double best = 0;
        long begin = Stopwatch.GetTimestamp(), perItem = loop(Rounds);
        do
        {
            long start = Stopwatch.GetTimestamp();
            pool.For(items, new PeakJob(loop, Rounds), chunkSize: 1);
            best = Math.Max(best, items * perItem / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        while (Stopwatch.GetElapsedTime(begin).TotalSeconds < Seconds);
        return best;
    }

    private readonly struct PeakJob(Func<int, long> loop, int rounds) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int i = start; i < end; i++)
                loop(rounds);
        }
    }
}

/// <summary>How much a second.</summary>
/// <param name="OneThread">By one thread alone.</param>
/// <param name="AllThreads">By all together.</param>
public readonly record struct Rate(double OneThread, double AllThreads);

/// <summary>What keeps an operation from being faster.</summary>
public enum Bound
{
    /// <summary>Reading weights, cache and activations.</summary>
    Memory,

    /// <summary>Products of bytes.</summary>
    Int8,

    /// <summary>Products in single precision.</summary>
    Float32,

    /// <summary>Products of bfloat16.</summary>
    BFloat16,
}
