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
    /// <param name="weights">[rows, columns].</param>
    /// <param name="rows">Outputs.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="gram">X^T X of the calibration inputs X [tokens, columns], of which the lower triangle is read.</param>
    /// <param name="grid">What to.</param>
    /// <param name="options">Choices; the defaults if null.</param>
    /// <exception cref="InvalidDataException">The Gram matrix is not one (not finite, or negative somewhere).</exception>
    public static RoundedMatrix Round(
        WorkerPool pool, float[] weights, int rows, int columns, float[] gram, Grid grid, GptqOptions? options = null)
    {
        options ??= new GptqOptions();
        int[] order = Order(gram, columns, options.ActOrder);
        float[] factor = Factor(pool, gram, columns, order, options.Damping);
        float[] importance = Normalize(factor, columns);
        RoundedMatrix result = new(grid, rows, columns);
        bool isStatic = options.StaticGroups || (options.ActOrder && grid.BlockBytes > 0);
        if (!isStatic)
        {
            for (int i = 0; i < columns; i++)
                result.StepOf[order[i]] = i / grid.StepSize;
        }

        // Both in the factor's order, the reverse of rounding: what a weight is rounded from, and its error.
        float[] current = new float[weights.Length], errors = new float[weights.Length];
        pool.For(rows, new GatherJob(weights, columns, order, current));
        if (isStatic)
            pool.For(rows, new FitJob(result, weights, order, importance));
        for (int end = columns; end > 0; end -= BlockColumns)
        {
            int start = Math.Max(0, end - BlockColumns);
            pool.For(rows, new RoundJob(result, weights, current, errors, factor, order, importance, start, end, isStatic));
            MatrixView feedback = new(factor.AsSpan(start * columns), end - start, start, columns);
            DenseProduct.Add(pool, 1, new MatrixView(errors.AsSpan(start), rows, end - start, columns), feedback, current, columns);
        }
        return result;
    }

    /// <summary>Columns as they are rounded.</summary>
    private static int[] Order(float[] gram, int columns, bool actOrder)
    {
        IEnumerable<int> order = Enumerable.Range(0, columns);
        return [.. actOrder ? order.OrderByDescending(i => gram[i * columns + i]) : order];
    }

    /// <summary>The damped Gram matrix's factor, the column that is rounded first coming last.</summary>
    private static float[] Factor(WorkerPool pool, float[] gram, int columns, int[] order, float damping)
    {
        double trace = 0;
        for (int i = 0; i < columns; i++)
            trace += gram[i * columns + i];
        if (!double.IsFinite(trace))
            throw new InvalidDataException("The calibration inputs are not finite.");
        // An expert that calibration never reached: every input counts the same.
        bool isEmpty = trace == 0;
        float[] factor = new float[gram.Length];
        // Rounding in float32 can leave a matrix of few inputs not quite positive: then more damping helps.
        for (float share = damping; share <= 10; share = MathF.Max(10 * share, 1e-4f))
        {
            float added = isEmpty ? 1 : (float)(share * trace / columns);
            for (int i = 0; i < columns; i++)
            {
                for (int j = 0; j <= i; j++)
                {
                    int a = order[columns - 1 - i], b = order[columns - 1 - j];
                    factor[i * columns + j] = gram[Math.Max(a, b) * columns + Math.Min(a, b)] + (i == j ? added : 0);
                }
            }
            if (Cholesky.TryFactor(pool, factor, columns))
                return factor;
        }
        throw new InvalidDataException("The Gram matrix of the calibration inputs is not positive.");
    }

    /// <summary>Divides the factor's columns by their diagonal elements, whose squares are given back.</summary>
    private static float[] Normalize(float[] factor, int columns)
    {
        float[] inverse = new float[columns], squares = new float[columns];
        for (int i = 0; i < columns; i++)
        {
            float diagonal = factor[i * columns + i];
            (inverse[i], squares[i]) = (1 / diagonal, diagonal * diagonal);
        }
        for (int i = 0; i < columns; i++)
        {
            Span<float> row = factor.AsSpan(i * columns, i);
            for (int j = 0; j < row.Length; j++)
                row[j] *= inverse[j];
        }
        return squares;
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

    private readonly struct FitJob(RoundedMatrix result, float[] weights, int[] order, float[] importance) : IParallelJob
    {
        public void Run(int first, int end, int worker)
        {
            (int columns, int size) = (result.Columns, result.Grid.FitSize);
            float[] counts = new float[columns];
            for (int i = 0; i < columns; i++)
                counts[order[i]] = importance[columns - 1 - i];
            for (int row = first; row < end; row++)
            {
                for (int fit = 0; fit < result.FitsInRow; fit++)
                    result.Fit(row, fit, weights.AsSpan(row * columns + fit * size, size), counts.AsSpan(fit * size, size));
            }
        }
    }

    /// <summary>Rounds the columns [start, end) of rows, from the last on.</summary>
    private readonly struct RoundJob(
        RoundedMatrix result, float[] weights, float[] current, float[] errors, float[] factor, int[] order, float[] importance,
        int start, int end, bool isStatic) : IParallelJob
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
                    int k = columns - 1 - p, column = order[k];
                    if (!isStatic && k % size == 0)
                    {
                        for (int i = 0; i < size; i++)
                            (values[i], counts[i]) = (now[p - i], importance[p - i]);
                        result.Fit(row, k / size, values, counts);
                    }
                    error[p] = weights[row * columns + column] - result.Round(row, column, now[p]);
                    Vectors.AddScaled(factor.AsSpan(p * columns + start, p - start), error[p], now[start..p]);
                }
            }
        }
    }
}
