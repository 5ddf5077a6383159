using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;

namespace Sluice.Tensors.Cpu;

/// <summary>The body of a parallel loop; a struct, so that a loop allocates nothing.</summary>
public interface IParallelJob
{
    /// <summary>Does items <paramref name="start"/> to <paramref name="end"/> (exclusive).</summary>
    /// <param name="start">The first item.</param>
    /// <param name="end">One past the last item.</param>
    /// <param name="worker">Which thread this is, from 0 (the caller) to <see cref="WorkerPool.Threads"/> - 1: for scratch memory.</param>
    void Run(int start, int end, int worker);
}

/// <summary>
/// Threads for parallel loops. The calling thread takes part; the others spin a little for the next loop and then sleep.
/// Items are claimed in chunks as threads become free, so that a thread that the system holds up delays one chunk, and a thread that
/// sleeps through a loop delays nothing. One loop at a time: a loop inside a loop, or one from a second thread, throws.
/// </summary>
public sealed unsafe class WorkerPool : IDisposable
{
    // All that threads share about claiming is one number: the loop's number above, the next unclaimed item below. A claim
    // is a compare and swap of it, so it can only succeed while that very loop still has items, hence while the loop's
    // description, read in between, was valid. The last claim closes the loop.
    private const long Closed = uint.MaxValue;
    private static readonly long SpinTicks = Stopwatch.Frequency / 20_000; // 50 microseconds, what waking a thread costs

    private readonly Thread[] threads;
    private readonly Lock entry = new();
    private readonly object parking = new();
    private PaddedLong claim;
    private PaddedLong done;
    private int parked;
    private bool disposed;

    // The present loop.
    private void* job;
    private delegate*<void*, int, int, int, void> body;
    private int count, chunk;
    private Exception? error;

    /// <summary>Starts threads.</summary>
    /// <param name="threads">Threads that take part in a loop, the calling one included; 0 for one on each physical core.</param>
    /// <param name="pin">
    /// Whether each thread but the calling one stays on a processor of its own: steadier on a machine that does nothing else, slower on
    /// a shared one, where the system could otherwise move a thread away from a busy processor.
    /// </param>
    /// <exception cref="PlatformNotSupportedException">Threads are to be pinned, and this system has no call for it.</exception>
    public WorkerPool(int threads = 0, bool pin = false)
    {
        if (pin && !Affinity.IsSupported)
            throw new PlatformNotSupportedException("Threads can be pinned on Linux only.");
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        Threads = threads == 0 ? Processor.PhysicalCores : threads;
        claim.Value = Closed;
        this.threads = new Thread[Threads - 1];
        for (int i = 0; i < this.threads.Length; i++)
        {
            int worker = i + 1;
            this.threads[i] = new Thread(() => Work(worker, pin)) { IsBackground = true, Name = $"Sluice worker {worker}" };
            this.threads[i].Start();
        }
    }

    /// <summary>Threads that take part in a loop, the calling one included.</summary>
    public int Threads { get; }

    /// <summary>Loops that threads shared so far, each of which ends with all waiting for the last.</summary>
    public long SharedLoops { get; private set; }

    /// <summary>Runs items 0 to <paramref name="items"/> - 1 on all threads, and returns when all are done.</summary>
    /// <param name="items">How many; fewer than 2^31.</param>
    /// <param name="work">The body.</param>
    /// <param name="chunkSize">Items claimed at once; 0 for about eight claims of each thread.</param>
    /// <exception cref="InvalidOperationException">A loop is already running.</exception>
    /// <remarks>The first exception of a body is thrown here; the items not yet claimed are then left out.</remarks>
    public void For<TJob>(int items, TJob work, int chunkSize = 0)
        where TJob : struct, IParallelJob
    {
        ArgumentOutOfRangeException.ThrowIfNegative(items);
        ArgumentOutOfRangeException.ThrowIfNegative(chunkSize);
        ObjectDisposedException.ThrowIf(disposed, this);
        if (items == 0)
            return;
        if (entry.IsHeldByCurrentThread || !entry.TryEnter())
            throw new InvalidOperationException("A parallel loop is already running on these threads.");
        try
        {
            chunk = chunkSize > 0 ? chunkSize : Math.Max(1, items / (Threads * 8));
            if (threads.Length == 0 || items <= chunk)
            {
                work.Run(0, items, 0);
                return;
            }
            // The copy of the job on this stack stays in place while the loop runs, so others may point to it.
            job = Unsafe.AsPointer(ref work);
            body = &Invoke<TJob>;
            (count, error, done.Value) = (items, null, 0);
            SharedLoops++;
            Publish();
            Participate(Volatile.Read(ref claim.Value) >> 32, worker: 0);
            SpinWait spin = default;
            while (Volatile.Read(ref done.Value) != items)
            {
                if (spin.NextSpinWillYield && spin.Count > 200)
                    Thread.Yield();
                else
                    spin.SpinOnce(sleep1Threshold: -1);
            }
            if (error is not null)
                ExceptionDispatchInfo.Throw(error);
        }
        finally
        {
            job = null;
            entry.Exit();
        }
    }

    /// <summary>Ends the threads.</summary>
    public void Dispose()
    {
        lock (parking)
        {
            if (disposed)
                return;
            Volatile.Write(ref disposed, true);
            Monitor.PulseAll(parking);
        }
        foreach (Thread thread in threads)
            thread.Join();
    }

    private static void Invoke<TJob>(void* job, int start, int end, int worker)
        where TJob : struct, IParallelJob => Unsafe.AsRef<TJob>(job).Run(start, end, worker);

    private void Publish()
    {
        long number = ((claim.Value >> 32) + 1) & int.MaxValue;
        // A full fence: the loop is visible before `parked` is read, as a parking thread counts itself before it looks.
        Interlocked.Exchange(ref claim.Value, number << 32);
        if (Volatile.Read(ref parked) == 0)
            return;
        lock (parking)
            Monitor.PulseAll(parking);
    }

    /// <summary>Claims and does items of the loop of that number until none is left.</summary>
    private void Participate(long number, int worker)
    {
        while (true)
        {
            long seen = Volatile.Read(ref claim.Value);
            if (seen >> 32 != number || (seen & Closed) == Closed)
                return;
            int start = (int)(seen & Closed);
            int end = (int)Math.Min((long)start + chunk, count);
            void* loopJob = job;
            delegate*<void*, int, int, int, void> loopBody = body;
            long next = (number << 32) | (end == count ? Closed : (long)end);
            if (Interlocked.CompareExchange(ref claim.Value, next, seen) != seen)
                continue;
            try
            {
                if (Volatile.Read(ref error) is null)
                    loopBody(loopJob, start, end, worker);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref error, e, null);
            }
            Interlocked.Add(ref done.Value, end - start);
        }
    }

    private void Work(int worker, bool pin)
    {
        if (pin)
            Affinity.Pin(worker);
        long number = 0;
        while (Await(ref number))
            Participate(number, worker);
    }

    /// <summary>Waits for a loop after the one of that number; false when there will be none.</summary>
    private bool Await(ref long number)
    {
        // More threads than processors would only keep each other from working by spinning.
        if (Threads <= Environment.ProcessorCount)
        {
            long start = Stopwatch.GetTimestamp();
            do
            {
                for (int i = 0; i < 16; i++)
                {
                    if (IsNew(ref number))
                        return true;
                    Thread.SpinWait(4);
                }
            }
            while (Stopwatch.GetTimestamp() - start < SpinTicks && !Volatile.Read(ref disposed));
        }
        lock (parking)
        {
            Interlocked.Increment(ref parked);
            while (!IsNew(ref number) && !disposed)
                Monitor.Wait(parking);
            parked--;
            return !disposed;
        }
    }

    private bool IsNew(ref long number)
    {
        long present = Volatile.Read(ref claim.Value) >> 32;
        if (present == number)
            return false;
        number = present;
        return true;
    }

    /// <summary>A number on cache lines of its own (two: neighbours are fetched in pairs).</summary>
    [System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Explicit, Size = 256)]
    private struct PaddedLong
    {
        [System.Runtime.InteropServices.FieldOffset(128)]
        public long Value;
    }
}
