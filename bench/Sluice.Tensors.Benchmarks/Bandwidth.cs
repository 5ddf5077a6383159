using System.Diagnostics;
using System.Runtime.Intrinsics;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Benchmarks;

/// <summary>How fast all threads together read memory: the limit of decoding.</summary>
internal sealed unsafe class Bandwidth : IDisposable
{
    private const int Piece = 1 << 20;
    private readonly NativeBuffer buffer = new(512L << 20);

    public Bandwidth() => new Span<byte>(buffer.Pointer, int.MaxValue / 4).Fill(1);

    /// <summary>Bytes per second, the best of a few passes.</summary>
    public double Measure(WorkerPool pool)
    {
        double best = 0;
        for (int i = 0; i < 4; i++)
        {
            long start = Stopwatch.GetTimestamp();
            pool.For((int)(buffer.Length / Piece), new ReadJob(buffer.Pointer), chunkSize: 4);
            best = Math.Max(best, buffer.Length / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    public void Dispose() => buffer.Dispose();

    private readonly struct ReadJob(byte* data) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            byte* last = data + (long)end * Piece;
            Vector512<byte> a = default, b = default, c = default, d = default;
            for (byte* at = data + (long)start * Piece; at < last; at += 256)
            {
                a |= Vector512.Load(at);
                b |= Vector512.Load(at + 64);
                c |= Vector512.Load(at + 128);
                d |= Vector512.Load(at + 192);
            }
            if (((a | b) | (c | d))[0] == 77)
                throw new InvalidOperationException("impossible: the buffer holds no such byte");
        }
    }
}
