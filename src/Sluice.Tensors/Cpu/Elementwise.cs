using System.Runtime.CompilerServices;

namespace Sluice.Tensors.Cpu;

/// <summary>A function of two values; one that ignores the second is a function of one.</summary>
internal interface IFunction
{
    V Apply<S, V>(V x, V y)
        where S : struct, ISimd<V>
        where V : unmanaged;
}

/// <summary>A function of stretches of two rows, which may choose as it runs what it does to their values.</summary>
internal unsafe interface IRowFunction
{
    void Apply(float* x, float* y, float* result, int count);
}

/// <summary>Applies functions to rows.</summary>
internal static unsafe class Elementwise
{
    private const int Block = 4096; // columns of an item: long rows (logits) are shared too
    private const int WorthSharing = 1 << 16; // values from which waking threads pays

    /// <summary>result = f(x, y) for <paramref name="count"/> values.</summary>
    public static void Map<F>(F function, float* x, float* y, float* result, int count)
        where F : struct, IFunction => Traverse.Run(new Step<F>(function, x, y, result), count);

    /// <summary>result = f(x, y), a y of one row serving every row.</summary>
    public static void Map<F>(WorkerPool pool, F function, Tensor x, Tensor y, Tensor result)
        where F : struct, IFunction => MapRows(pool, new OneFunction<F>(function), x, y, result);

    /// <summary>The same of a function of rows.</summary>
    public static void MapRows<F>(WorkerPool pool, F function, Tensor x, Tensor y, Tensor result)
        where F : struct, IRowFunction
    {
        int blocks = (x.Columns + Block - 1) / Block;
        Job<F> job = new(function, x, y, result, blocks);
        For(pool, x.Rows * blocks, (long)x.Rows * x.Columns, job);
    }

    /// <summary>Shares items among threads where all their values together are worth it.</summary>
    public static void For<T>(WorkerPool pool, int items, long values, T job)
        where T : struct, IParallelJob
    {
        if (values < WorthSharing || pool.Threads == 1)
            job.Run(0, items, worker: 0);
        else
            pool.For(items, job);
    }

    private readonly struct Step<F>(F function, float* x, float* y, float* result) : IStep
        where F : struct, IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<S, V>(int i)
            where S : struct, ISimd<V>
            where V : unmanaged =>
            S.Store(result + i, function.Apply<S, V>(S.Load(x + i), S.Load(y + i)));
    }

    private readonly struct OneFunction<F>(F function) : IRowFunction
        where F : struct, IFunction
    {
        public void Apply(float* x, float* y, float* result, int count) => Map(function, x, y, result, count);
    }

    private readonly struct Job<F>(F function, Tensor x, Tensor y, Tensor result, int blocks) : IParallelJob
        where F : struct, IRowFunction
    {
        public void Run(int start, int end, int worker)
        {
            for (int item = start; item < end; item++)
            {
                (int row, int column) = Math.DivRem(item, blocks);
                column *= Block;
                function.Apply(
                    x.Data + ((long)row * x.Stride) + column,
                    y.Data + ((y.Rows == 1 ? 0 : (long)row) * y.Stride) + column,
                    result.Data + ((long)row * result.Stride) + column,
                    Math.Min(Block, x.Columns - column));
            }
        }
    }
}
