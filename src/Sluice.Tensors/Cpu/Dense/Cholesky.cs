namespace Sluice.Tensors.Cpu;

/// <summary>
/// The Cholesky factorisation of a symmetric positive definite matrix, in blocks: nearly all of it is <see cref="DenseProduct"/>, which
/// libraries of managed code do not reach (docs/quantization.md has the times).
/// </summary>
public static class Cholesky
{
    private const int Block = 128;

    /// <summary>Factors in place: the lower triangle L of A = L L^T.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="matrix">[size, size]; only its lower triangle is read and written.</param>
    /// <param name="size">Rows.</param>
    /// <returns>False where a pivot is not positive: the matrix, now spoilt, was not positive definite to float32's precision.</returns>
    public static bool TryFactor(WorkerPool pool, float[] matrix, int size)
    {
        if (matrix.LongLength != (long)size * size)
            throw new ArgumentException($"{matrix.LongLength} values are no matrix of {size} x {size}.", nameof(matrix));
        float[] panel = new float[Math.Min(Block, size) * size];
        for (int start = 0; start < size; start += Block)
        {
            int width = Math.Min(Block, size - start);
            if (start > 0)
            {
                // What the columns before take away, of this block of columns.
                int height = size - start;
                Span<float> sums = panel.AsSpan(0, height * width);
                sums.Clear();
                MatrixView left = new(matrix.AsSpan(start * size), height, start, size);
                MatrixView top = new(matrix.AsSpan(start * size), width, start, size);
                DenseProduct.Add(pool, 1, left, top.Transposed, sums, width);
                for (int i = 0; i < height; i++)
                    Subtract(matrix.AsSpan((start + i) * size + start, width), sums.Slice(i * width, width));
            }
            if (!FactorDiagonal(matrix, size, start, width))
                return false;
            pool.For(size - start - width, new SolveJob(matrix, size, start, width));
        }
        return true;
    }

    /// <summary>A block on the diagonal, in double precision.</summary>
    private static bool FactorDiagonal(float[] matrix, int size, int start, int width)
    {
        double[] block = new double[width * width];
        for (int i = 0; i < width; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = matrix[(start + i) * size + start + j];
                for (int k = 0; k < j; k++)
                    sum -= block[i * width + k] * block[j * width + k];
                if (i == j && !(sum > 0))
                    return false;
                block[i * width + j] = i == j ? Math.Sqrt(sum) : sum / block[j * width + j];
                matrix[(start + i) * size + start + j] = (float)block[i * width + j];
            }
        }
        return true;
    }

    private static void Subtract(Span<float> from, ReadOnlySpan<float> values)
    {
        for (int i = 0; i < from.Length; i++)
            from[i] -= values[i];
    }

    /// <summary>Rows below a diagonal block: x L^T = a, by forward substitution.</summary>
    private readonly struct SolveJob(float[] matrix, int size, int start, int width) : IParallelJob
    {
        public void Run(int first, int end, int worker)
        {
            for (int row = first; row < end; row++)
            {
                Span<float> x = matrix.AsSpan((start + width + row) * size + start, width);
                for (int j = 0; j < width; j++)
                {
                    ReadOnlySpan<float> l = matrix.AsSpan((start + j) * size + start, width);
                    x[j] = (x[j] - Vectors.Dot(x[..j], l[..j])) / l[j];
                }
            }
        }
    }
}
