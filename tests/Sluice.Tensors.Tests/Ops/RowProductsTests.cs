using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors;

[Trait(InstructionSetTests.Trait, "all")]
public sealed unsafe class RowProductsTests
{
    /// <summary>Every block and width computes the same chain of multiply-adds, to the bit, and stays inside its memory.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void Each_element_is_one_chain(int count)
    {
        int rows = RowProducts.BlockRows(count);
        Random random = new(rows);
        foreach (TensorType cell in ((TensorType[])[TensorType.F32, TensorType.F16, TensorType.BF16]).Where(RowProducts.CanRead))
        {
            for (int columns = 1; columns <= 70; columns++)
            {
                using GuardedTensors memory = new();
                int depth = random.Next(1, 40);
                Tensor values = memory.Random(random, depth, columns), c = memory.Random(random, rows, columns), factors = memory.Random(random, 1, rows);
                Tensor a = memory.Random(random, rows, depth), packed = memory.Create(1, cell == TensorType.F32 ? depth * columns : ((depth * columns) + 1) / 2);
                Pack(cell, values, packed.Data);
                foreach (bool fresh in new[] { true, false })
                {
                    Tensor expected = memory.Create(rows, columns), actual = memory.Copy(c);
                    for (int row = 0; row < rows; row++)
                    {
                        for (int column = 0; column < columns; column++)
                        {
                            float sum = fresh ? 0 : c[row][column] * factors[0][row];
                            for (int i = 0; i < depth; i++)
                                sum = Simd1.MultiplyAdd(a[row][i], values[i][column], sum);
                            expected[row][column] = sum;
                        }
                    }
                    RowProducts.Multiply(rows, a.Data, a.Stride, depth, packed.Data, cell, columns, actual.Data, fresh ? null : factors.Data);
                    for (int row = 0; row < rows; row++)
                        Assert.Equal(expected[row].ToArray(), actual[row].ToArray());
                }
            }
        }
    }

    /// <summary>Writes values as such cells, at the end of their memory, and makes of them what can be read back.</summary>
    private static void Pack(TensorType cell, Tensor values, float* packed)
    {
        for (int i = 0; i < values.Rows; i++)
        {
            for (int j = 0; j < values.Columns; j++)
            {
                int at = (i * values.Columns) + j;
                switch (cell)
                {
                    case TensorType.F16:
                        Half half = (Half)values[i][j];
                        ((Half*)packed)[at] = half;
                        values[i][j] = (float)half;
                        break;
                    case TensorType.BF16:
                        uint bits = BitConverter.SingleToUInt32Bits(values[i][j]) >> 16;
                        ((ushort*)packed)[at] = (ushort)bits;
                        values[i][j] = BitConverter.UInt32BitsToSingle(bits << 16);
                        break;
                    default:
                        packed[at] = values[i][j];
                        break;
                }
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
