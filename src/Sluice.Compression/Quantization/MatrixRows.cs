using System.Buffers;
using System.Runtime.ExceptionServices;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Compression;

/// <summary>Goes through the rows of a matrix, a few at a time on each thread.</summary>
internal static class MatrixRows
{
    private const int ChunkWeights = 1 << 16, MostWeights = 1 << 21;

    /// <summary>Takes neighbouring rows.</summary>
    /// <param name="row">The number of the first.</param>
    /// <param name="values">Theirs, finite and within the matrix's format; may be overwritten.</param>
    /// <param name="stored">Their bytes as the tensor has them.</param>
    public delegate void Taker(int row, Span<float> values, ReadOnlySpan<byte> stored);

    /// <summary>How many threads, and what stops them.</summary>
    /// <param name="count">0 for one a processor.</param>
    /// <param name="cancellation">Stops them.</param>
    public static ParallelOptions Threads(int count, CancellationToken cancellation) => new()
    {
        MaxDegreeOfParallelism = count > 0 ? count : Environment.ProcessorCount,
        CancellationToken = cancellation,
    };

    /// <summary>Shows rows to all threads, and then lets go of the memory that they are mapped to.</summary>
    /// <param name="matrix">The matrix.</param>
    /// <param name="first">The first row.</param>
    /// <param name="count">How many.</param>
    /// <param name="wantsMany">Whether a thread gets as many rows at once as memory allows, and not a few.</param>
    /// <param name="parallel">The threads, and what stops them.</param>
    /// <param name="take">Called for some of the rows at a time, by several threads.</param>
    /// <exception cref="InvalidDataException">A weight is no finite number, or too large for the matrix's format; the message names the tensor.</exception>
    public static void ForEach(MatrixToQuantize matrix, int first, int count, bool wantsMany, ParallelOptions parallel, Taker take)
    {
        int columns = matrix.Columns, rowBytes = (int)WeightFormats.Get(matrix.Tensor.Type).Bytes(columns);
        int share = (count + parallel.MaxDegreeOfParallelism - 1) / parallel.MaxDegreeOfParallelism;
        int chunkRows = Math.Max(1, wantsMany ? Math.Min(share, MostWeights / columns) : ChunkWeights / columns);
        long start = (long)matrix.Expert * matrix.Rows + first;
        MappedBytes data = matrix.Tensor.Data;
        For<float>((count + chunkRows - 1) / chunkRows, parallel, chunkRows * columns, (chunk, memory) =>
        {
            int row = chunk * chunkRows, rows = Math.Min(chunkRows, count - row);
            Span<float> values = memory.Span[..(rows * columns)];
            matrix.Tensor.Dequantize(start + row, values);
            WeightCheck.Check(values, matrix, first + row);
            take(first + row, values, data.Span((start + row) * rowBytes, rows * rowBytes));
        });
        data.Slice(start * rowBytes, (long)count * rowBytes).Release();
    }

    /// <summary>A parallel loop in which each thread has memory of its own, and which throws what a thread threw, as it was.</summary>
    public static void For<T>(int count, ParallelOptions parallel, int length, Action<int, Memory<T>> body)
    {
        try
        {
            Parallel.For(0, count, parallel, () => ArrayPool<T>.Shared.Rent(length), (i, _, own) =>
            {
                body(i, own.AsMemory(0, length));
                return own;
            }, own => ArrayPool<T>.Shared.Return(own));
        }
        catch (AggregateException error)
        {
            ExceptionDispatchInfo.Throw(error.InnerExceptions[0]);
        }
    }
}
