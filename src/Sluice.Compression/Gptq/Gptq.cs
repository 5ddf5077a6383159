using System.Buffers;
using Sluice.Tensors.Cpu;

namespace Sluice.Compression;

/// <summary>
/// GPTQ (Frantar et al. 2022): rounds a matrix column by column, and lets the columns still to come make up for each one's error, as
/// the calibration inputs' Gram matrix H tells.
/// </summary>
/// <remarks>
/// Computed in the form that Chee et al. (2023) show to give the same result, without inverting H. With e the errors of a row's weights,
/// the output error is e H e^T, and with H = L L^T (in reverse order of rounding) it is the sum over columns p of
/// <c>(L[p,p] * (e[p] + sum over p' > p of e[p'] * L[p',p] / L[p,p]))^2</c>. So the last column is rounded first, and each one before
/// it to the value nearest to w[p] plus that sum. L[p,p]^2 is then just what a column's rounding error counts.
/// </remarks>
public static class Gptq
{
    private const int BlockColumns = 128;

    /// <summary>Rounds a matrix.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="weights">[rows, factor.Columns].</param>
    /// <param name="factor">Of the calibration inputs.</param>
    /// <param name="grid">What to.</param>
    /// <param name="staticGroups">
    /// Whether scales are fitted to the original weights, before any is rounded; else to the weights as they are when a group's turn comes.
    /// Grids of stored blocks, which keep columns in their places, need it where the factor's order is another.
    /// </param>
    public static RoundedMatrix Round(WorkerPool pool, float[] weights, GptqFactor factor, Grid grid, bool staticGroups = false) =>
        RoundRows(pool, weights, weights.Length / factor.Columns, factor, grid, staticGroups);

    /// <summary>As <see cref="Round"/>, of an array that may be longer.</summary>
    internal static RoundedMatrix RoundRows(WorkerPool pool, float[] weights, int rows, GptqFactor factor, Grid grid, bool staticGroups)
    {
        (int columns, int[] order) = (factor.Columns, factor.Order);
        bool isStatic = staticGroups || (factor.IsReordered && grid.BlockBytes > 0);
        RoundedMatrix result = new(grid, rows, columns);
        if (!isStatic)
        {
            for (int i = 0; i < columns; i++)
                result.StepOf[order[i]] = i / grid.StepSize;
        }

        // Both in the factor's order, the reverse of rounding: what a weight is rounded from, and its error.
        float[] current = ArrayPool<float>.Shared.Rent(rows * columns), errors = ArrayPool<float>.Shared.Rent(rows * columns);
        pool.For(rows, new GatherJob(weights, columns, order, current));
        if (isStatic)
            pool.For(rows, new FitJob(result, weights, factor));
        for (int end = columns; end > 0; end -= BlockColumns)
        {
            int start = Math.Max(0, end - BlockColumns);
            pool.For(rows, new RoundJob(result, weights, current, errors, factor, start, end, isStatic));
            MatrixView feedback = new(factor.Values.AsSpan(start * columns), end - start, start, columns);
            DenseProduct.Add(pool, 1, new MatrixView(errors.AsSpan(start), rows, end - start, columns), feedback, current, columns);
        }
        ArrayPool<float>.Shared.Return(current);
        ArrayPool<float>.Shared.Return(errors);
        return result;
    }

    private readonly struct GatherJob(float[] weights, int columns, int[] order, float[] current) : IParallelJob
    {
        public void Run(int first, int end, int worker)
        {
            for (int row = first; row < end; row++)
            {
                for (int i = 0; i < columns; i++)
                    current[row * columns + columns - 1 - i] = weights[row * columns + order[i]];
            }
        }
    }

    private readonly struct FitJob(RoundedMatrix result, float[] weights, GptqFactor factor) : IParallelJob
    {
        public void Run(int first, int end, int worker)
        {
            (int columns, int size) = (result.Columns, result.Grid.FitSize);
            float[] counts = new float[columns];
            for (int i = 0; i < columns; i++)
                counts[factor.Order[i]] = factor.Importance[columns - 1 - i];
            for (int row = first; row < end; row++)
            {
                for (int fit = 0; fit < result.FitsInRow; fit++)
                    result.Fit(row, fit, weights.AsSpan(row * columns + fit * size, size), counts.AsSpan(fit * size, size));
            }
        }
    }

    /// <summary>Rounds the columns [start, end) of rows, from the last on.</summary>
    private readonly struct RoundJob(
        RoundedMatrix result, float[] weights, float[] current, float[] errors, GptqFactor factor, int start, int end, bool isStatic)
        : IParallelJob
    {
        public void Run(int firstRow, int lastRow, int worker)
        {
            (int columns, int size) = (result.Columns, result.Grid.FitSize);
            float[] values = new float[size], counts = new float[size];
            for (int row = firstRow; row < lastRow; row++)
            {
                Span<float> now = current.AsSpan(row * columns, columns), error = errors.AsSpan(row * columns, columns);
                for (int p = end - 1; p >= start; p--)
                {
                    int k = columns - 1 - p, column = factor.Order[k];
                    if (!isStatic && k % size == 0)
                    {
                        for (int i = 0; i < size; i++)
                            (values[i], counts[i]) = (now[p - i], factor.Importance[p - i]);
                        result.Fit(row, k / size, values, counts);
                    }
                    error[p] = weights[row * columns + column] - result.Round(row, column, now[p]);
                    Vectors.AddScaled(factor.Values.AsSpan(p * columns + start, p - start), error[p], now[start..p]);
                }
            }
        }
    }
}
