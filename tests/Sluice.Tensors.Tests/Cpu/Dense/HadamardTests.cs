namespace Sluice.Tensors.Cpu;

public class HadamardTests
{
    public static TheoryData<int> Widths => [1, 2, 4, 6, 8, 16, 24, 32, 64, 67, 96, 128, 344, 1024, 5632];

    /// <summary>Entry (i, j) of the transform is -1 to the number of bits that i and j have in common.</summary>
    [Theory]
    [MemberData(nameof(Widths))]
    public void Transforms_each_block_as_the_matrix_does(int width)
    {
        int block = Hadamard.BlockOf(width);
        Assert.Equal(0, width % block);
        Assert.NotEqual(0, width / block % 2);
        float[] x = [.. Enumerable.Range(0, width).Select(i => (float)(i * 7 % 31 - 11))], expected = new float[width]; // whose sums are exact
        for (int i = 0; i < width; i++)
        {
            for (int j = 0; j < block; j++)
                expected[i] += (int.PopCount(i % block & j) % 2 == 0 ? 1 : -1) * x[i - i % block + j];
        }
        Hadamard.Transform(x, block);
        Assert.Equal(expected, x);
    }

    /// <summary>By additions in their order, one after the other, with signs that the file format fixes.</summary>
    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(Widths))]
    public void Rotates_to_the_bit_alike_with_all_vectors(int width)
    {
        Random random = new(width);
        float[] x = [.. Enumerable.Range(0, width).Select(_ => (random.NextSingle() - 0.5f) * 100)], expected = [.. x], back = [.. x];
        int block = Hadamard.BlockOf(width);
        float factor = 1 / MathF.Sqrt(block);
        for (int i = 0; i < width; i++)
            expected[i] *= unchecked((uint)i * 2654435761u) >= 1u << 31 ? -factor : factor;
        for (int distance = 1; distance < block; distance *= 2)
        {
            for (int i = 0; i < width; i++)
            {
                if ((i & distance) == 0)
                    (expected[i], expected[i + distance]) = (expected[i] + expected[i + distance], expected[i] - expected[i + distance]);
            }
        }
        Hadamard.Rotate(x);
        Assert.Equal(expected.Select(BitConverter.SingleToInt32Bits), x.Select(BitConverter.SingleToInt32Bits));
        Hadamard.RotateBack(x);
        for (int i = 0; i < width; i++)
            Assert.Equal(back[i], x[i], 1e-4f);
    }
}
