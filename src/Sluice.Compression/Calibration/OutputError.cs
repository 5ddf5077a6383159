using Sluice.Tensors.Cpu;

namespace Sluice.Compression;

/// <summary>What rounding does to a layer's outputs, from the Gram matrix H of its inputs: the error of X W^T is the trace of E H E^T.</summary>
public static class OutputError
{
    /// <summary>The squared error of all outputs, in the units of the Gram matrix.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="errors">E [rows, columns], the errors of the weights.</param>
    /// <param name="rows">Outputs.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="gram">X^T X, of which the lower triangle is read.</param>
    public static double Of(WorkerPool pool, float[] errors, int rows, int columns, float[] gram)
    {
        // E H E^T by E times the lower triangle: twice that, less the diagonal.
        float[] lower = (float[])gram.Clone(), product = new float[errors.Length];
        for (int i = 0; i < columns; i++)
        {
            lower[i * columns + i] *= 0.5f;
            lower.AsSpan(i * columns + i + 1, columns - i - 1).Clear();
        }
        DenseProduct.Add(pool, 1, new MatrixView(errors, rows, columns, columns), new MatrixView(lower, columns, columns, columns), product, columns);
        double sum = 0;
        for (int i = 0; i < errors.Length; i++)
            sum += (double)errors[i] * product[i];
        return 2 * sum;
    }

    /// <summary>The squared error of rounded weights, as a share of the outputs' squares.</summary>
    public static double Relative(WorkerPool pool, float[] weights, float[] rounded, int rows, int columns, float[] gram)
    {
        float[] errors = new float[weights.Length];
        for (int i = 0; i < errors.Length; i++)
            errors[i] = weights[i] - rounded[i];
        return Of(pool, errors, rows, columns, gram) / Of(pool, weights, rows, columns, gram);
    }
}
