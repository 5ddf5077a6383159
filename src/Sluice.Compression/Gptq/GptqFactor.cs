using Sluice.Tensors.Cpu;

namespace Sluice.Compression;

/// <summary>
/// What <see cref="Gptq"/> needs to know of calibration inputs: the factor of their damped Gram matrix. All matrices that meet the same
/// inputs use one.
/// </summary>
public sealed class GptqFactor
{
    private GptqFactor(int columns, int[] order, bool isReordered, float[] values)
    {
        (Columns, Order, IsReordered, Values) = (columns, order, isReordered, values);
        float[] inverse = new float[columns];
        Importance = new float[columns];
        for (int i = 0; i < columns; i++)
        {
            float diagonal = values[i * columns + i];
            (inverse[i], Importance[i]) = (1 / diagonal, diagonal * diagonal);
        }
        for (int i = 0; i < columns; i++)
        {
            Span<float> row = values.AsSpan(i * columns, i);
            for (int j = 0; j < row.Length; j++)
                row[j] *= inverse[j];
        }
    }

    /// <summary>The inputs' width.</summary>
    public int Columns { get; }

    /// <summary>Columns as they are rounded.</summary>
    internal int[] Order { get; }

    internal bool IsReordered { get; }

    /// <summary>The strict lower triangle of L, each column divided by its diagonal element; the column rounded first comes last.</summary>
    internal float[] Values { get; }

    /// <summary>The squares of L's diagonal elements: what a column's rounding error counts.</summary>
    internal float[] Importance { get; }

    /// <summary>Factors a Gram matrix.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="gram">X^T X of the calibration inputs X [tokens, columns], of which the lower triangle is read.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="damping">What is added to its diagonal, as a share of the diagonal's mean; more if it takes more to be positive.</param>
    /// <param name="actOrder">Whether the columns of the largest inputs are rounded first, so that all others make up for their errors.</param>
    /// <exception cref="InvalidDataException">The Gram matrix is not one (not finite, or negative somewhere).</exception>
    public static GptqFactor Create(WorkerPool pool, float[] gram, int columns, float damping = 0.01f, bool actOrder = false)
    {
        double trace = 0;
        for (int i = 0; i < columns; i++)
            trace += gram[i * columns + i];
        if (!double.IsFinite(trace))
            throw new InvalidDataException("The calibration inputs are not finite.");
        IEnumerable<int> natural = Enumerable.Range(0, columns);
        int[] order = [.. actOrder ? natural.OrderByDescending(i => gram[i * columns + i]) : natural];
        // An expert that calibration never reached: every input counts the same.
        bool isEmpty = trace == 0;
        float[] factor = new float[gram.Length];
        for (float share = damping; share <= 10; share = MathF.Max(10 * share, 1e-4f))
        {
            float added = isEmpty ? 1 : (float)(share * trace / columns);
            for (int i = 0; i < columns; i++)
            {
                int a = order[columns - 1 - i];
                for (int j = 0; j <= i; j++)
                {
                    int b = order[columns - 1 - j];
                    factor[i * columns + j] = a > b ? gram[a * columns + b] : gram[b * columns + a];
                }
                factor[i * columns + i] += added;
            }
            if (Cholesky.TryFactor(pool, factor, columns))
                return new GptqFactor(columns, order, actOrder, factor);
        }
        throw new InvalidDataException("The Gram matrix of the calibration inputs is not positive.");
    }
}
