using System.Diagnostics;
using System.Runtime.Intrinsics;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>How fast memory is read, on huge pages where the system gives them: the limit of decoding.</summary>
internal sealed unsafe class ReadBandwidth : IDisposable
{
    private const int Piece = 1 << 20;
    private readonly NativeBuffer buffer;

    /// <summary>Takes memory that no cache holds: 512 MiB, or a quarter of what is free if that is less.</summary>
    public ReadBandwidth()
    {
        buffer = new NativeBuffer(Math.Clamp(SystemMemory.Available() / 4 / Piece, 1, 512) * Piece);
        buffer.Span(0, (int)buffer.Length).Fill(1); // a page that was never written may be the one page of zeros
    }

    /// <summary>Bytes per second of all the pool's threads together, the best of a few passes.</summary>
    public double Measure(WorkerPool pool, int passes = 4)
    {
        double best = 0;
        for (int i = 0; i < passes; i++)
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
