using System.Runtime.CompilerServices;

namespace Sluice.Tensors.Cpu;

public class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(16)]
    public void Every_item_is_done_once(int threads)
    {
        using WorkerPool pool = new(threads);
        foreach (int items in (int[])[0, 1, 2, 7, 100, 1000])
        {
            foreach (int chunk in (int[])[0, 1, 3, 1000])
            {
                int[] times = new int[items];
                pool.For(items, new Count(times, new int[pool.Threads]), chunk);
                Assert.All(times, time => Assert.Equal(1, time));
            }
        }
    }

    [Fact]
    public void Many_short_loops_in_a_row()
    {
        using WorkerPool pool = new(2);
        int[] times = new int[64], workers = new int[pool.Threads];
        for (int i = 0; i < 20_000; i++)
            pool.For(times.Length, new Count(times, workers), chunkSize: 1);
        Assert.All(times, time => Assert.Equal(20_000, time));
        Assert.Equal(20_000 * 64, workers.Sum());
    }

    [Fact]
    public void Pinned_threads_stay_on_a_processor()
    {
        if (!Affinity.IsSupported)
        {
            Assert.Throws<PlatformNotSupportedException>(() => new WorkerPool(2, pin: true));
            return;
        }
        int processor = -1;
        int[] seen = new int[100];
        Thread thread = new(() =>
        {
            processor = Affinity.Pin(1);
            for (int i = 0; i < seen.Length; i++)
            {
                seen[i] = Thread.GetCurrentProcessorId();
                Thread.Yield();
            }
        });
        thread.Start();
        thread.Join();
        Assert.All(seen, id => Assert.Equal(processor, id));
        using WorkerPool pool = new(3, pin: true);
        int[] times = new int[1000];
        pool.For(times.Length, new Count(times, new int[3]), chunkSize: 1);
        Assert.All(times, time => Assert.Equal(1, time));
    }

    [Fact]
    public void Shared_loops_are_counted()
    {
        using WorkerPool pool = new(2);
        pool.For(10, new Count(new int[10], new int[2]), chunkSize: 1);
        pool.For(1, new Count(new int[1], new int[2])); // the calling thread's alone
        pool.For(10, new Count(new int[10], new int[2]), chunkSize: 5);
        Assert.Equal(2, pool.SharedLoops);
    }

    [Fact]
    public void Sleeping_threads_wake()
    {
        using WorkerPool pool = new(2);
        for (int i = 0; i < 5; i++)
        {
            Thread.Sleep(5); // longer than a thread spins
            using Barrier both = new(2);
            pool.For(2, new Meet(both), chunkSize: 1); // ends only if two threads run it
        }
    }

    [Fact]
    public void Exceptions_reach_the_caller_and_the_pool_goes_on()
    {
        using WorkerPool pool = new(3);
        for (int i = 0; i < 100; i++)
        {
            InvalidDataException e = Assert.Throws<InvalidDataException>(() => pool.For(50, new Throw(at: i % 50), chunkSize: 1));
            Assert.Equal("thrown on purpose", e.Message);
        }
        int[] times = new int[10];
        pool.For(10, new Count(times, new int[3]), chunkSize: 1);
        Assert.All(times, time => Assert.Equal(1, time));
    }

    [Fact]
    public void A_loop_inside_a_loop_is_refused()
    {
        using WorkerPool pool = new(2);
        Assert.Throws<InvalidOperationException>(() => pool.For(4, new Nest(pool), chunkSize: 1));
        using WorkerPool alone = new(1);
        Assert.Throws<InvalidOperationException>(() => alone.For(4, new Nest(alone)));
    }

    [Fact]
    public void Refuses_work_after_dispose()
    {
        WorkerPool pool = new(2);
        pool.Dispose();
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pool.For(1, new Throw(0)));
    }

    [Fact]
    public void A_loop_allocates_nothing()
    {
        using WorkerPool pool = new(2);
        Count job = new(new int[100], new int[2]);
        pool.For(100, job);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            pool.For(100, job, chunkSize: 1);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Counts_cores() => Assert.InRange(Processor.PhysicalCores, 1, Environment.ProcessorCount);

    private readonly struct Count(int[] times, int[] workers) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int i = start; i < end; i++)
                Interlocked.Increment(ref times[i]);
            workers[worker] += end - start; // safe only if no two threads have the same number
        }
    }

    private readonly struct Meet(Barrier barrier) : IParallelJob
    {
        public void Run(int start, int end, int worker) => Assert.True(barrier.SignalAndWait(TimeSpan.FromSeconds(60)));
    }

    private readonly struct Throw(int at) : IParallelJob
    {
        [MethodImpl(MethodImplOptions.NoInlining)]
        public void Run(int start, int end, int worker)
        {
            if (start <= at && at < end)
                throw new InvalidDataException("thrown on purpose");
        }
    }

    private readonly struct Nest(WorkerPool pool) : IParallelJob
    {
        public void Run(int start, int end, int worker) => pool.For(1, new Throw(-1));
    }
}
