using Sluice.Tensors.Cpu;

namespace Sluice.Tensors;

[Trait(InstructionSetTests.Trait, "all")]
public sealed unsafe class RowProductsTests
{
    /// <summary>Every block and width computes the same chain of multiply-adds, to the bit, and stays inside its memory.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(8)]
    public void Each_element_is_one_chain(int rows)
    {
        Random random = new(rows);
        float** pointers = stackalloc float*[8];
        for (int columns = 1; columns <= 70; columns++)
        {
            using GuardedTensors memory = new();
            int depth = random.Next(1, 40);
            Tensor b = memory.Random(random, depth, columns), c = memory.Random(random, rows, columns), factors = memory.Random(random, 1, rows);
            Tensor[] a = [.. Enumerable.Range(0, rows).Select(_ => memory.Random(random, 1, depth))];
            for (int row = 0; row < rows; row++)
                pointers[row] = a[row].Data;
            foreach (bool fresh in new[] { true, false })
            {
                Tensor expected = memory.Create(rows, columns), actual = memory.Copy(c);
                for (int row = 0; row < rows; row++)
                {
                    for (int column = 0; column < columns; column++)
                    {
                        float sum = fresh ? 0 : c[row][column] * factors[0][row];
                        for (int i = 0; i < depth; i++)
                            sum = Simd1.MultiplyAdd(a[row][0][i], b[i][column], sum);
                        expected[row][column] = sum;
                    }
                }
                RowProducts.Multiply(rows, pointers, depth, b.Data, columns, actual.Data, fresh ? null : factors.Data);
                for (int row = 0; row < rows; row++)
                    Assert.Equal(expected[row].ToArray(), actual[row].ToArray());
            }
        }
    }

    [Fact]
    public void A_block_is_as_large_as_needed()
    {
        Assert.Equal(1, RowProducts.BlockRows(1));
        for (int rows = 2; rows <= RowProducts.MaxRows; rows++)
            Assert.InRange(RowProducts.BlockRows(rows), rows, RowProducts.MaxRows);
    }
}
