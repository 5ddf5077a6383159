using Sluice.Tensors.Cpu;

namespace Sluice.Tensors.Tests.Cpu;

public class DenseProductTests
{
    private static readonly WorkerPool Pool = new(2);

    [Theory]
    [InlineData(1, 1, 1, false)]
    [InlineData(5, 31, 7, false)]
    [InlineData(6, 32, 192, false)]
    [InlineData(200, 70, 193, false)]
    [InlineData(193, 193, 50, true)]
    [InlineData(197, 530, 11, false)]
    public void Adds_the_product(int rows, int columns, int depth, bool lowerOnly)
    {
        float[] a = Random(rows * depth), b = Random(depth * columns), c = Random(rows * columns), expected = [.. c];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++)
            {
                double sum = 0;
                for (int k = 0; k < depth; k++)
                    sum += (double)a[k * rows + i] * b[k * columns + j];
                expected[i * columns + j] += (float)(-2 * sum);
            }
        }
        // a is stored transposed.
        DenseProduct.Add(Pool, -2, new MatrixView(a, depth, rows, rows).Transposed, new MatrixView(b, depth, columns, columns), c, columns, lowerOnly);
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < (lowerOnly ? i + 1 : columns); j++)
                Assert.Equal(expected[i * columns + j], c[i * columns + j], 1e-4f);
        }
    }

    [Fact]
    public void Nothing_times_something_is_nothing()
    {
        float[] c = [1, 2];
        DenseProduct.Add(Pool, 1, new MatrixView([], 1, 0, 0), new MatrixView([], 0, 2, 2), c, 2);
        Assert.Equal([1, 2], c);
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new MatrixView(new float[5], 2, 3, 3));
        Assert.Throws<ArgumentException>(() => DenseProduct.Add(Pool, 1, new MatrixView(new float[6], 2, 3, 3), new MatrixView(new float[4], 2, 2, 2), new float[4], 2));
        Assert.Throws<ArgumentException>(() => DenseProduct.Add(Pool, 1, new MatrixView(new float[6], 2, 3, 3), new MatrixView(new float[6], 3, 2, 2), new float[3], 2));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(300)]
    public void Cholesky_factors_multiply_to_the_matrix(int size)
    {
        float[] x = Random((size + 3) * size), gram = new float[size * size], product = new float[size * size];
        MatrixView view = new(x, size + 3, size, size);
        DenseProduct.Add(Pool, 1, view.Transposed, view, gram, size);
        for (int i = 0; i < size; i++)
            gram[i * size + i] += 1;
        float[] factor = [.. gram];
        Assert.True(Cholesky.TryFactor(Pool, factor, size));
        for (int i = 0; i < size; i++)
            factor.AsSpan(i * size + i + 1, size - i - 1).Clear();
        MatrixView l = new(factor, size, size, size);
        DenseProduct.Add(Pool, 1, l, l.Transposed, product, size);
        for (int i = 0; i < product.Length; i++)
            Assert.Equal(gram[i], product[i], 1e-3f);
    }

    [Fact]
    public void A_matrix_that_is_not_positive_has_no_factor() =>
        Assert.False(Cholesky.TryFactor(Pool, [1, 0, 2, 1], 2));

    private static float[] Random(int count)
    {
        Random random = new(count);
        return [.. Enumerable.Range(0, count).Select(_ => random.NextSingle() - 0.5f)];
    }
}
