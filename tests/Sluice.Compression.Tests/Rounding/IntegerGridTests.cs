using Sluice.Tensors.Formats;

namespace Sluice.Compression.Tests;

/// <summary>What checkpoints store of rounded weights, to the bit.</summary>
public class IntegerGridTests
{
    [Theory]
    [InlineData(2, false, 0)]
    [InlineData(3, false, 1)]
    [InlineData(4, true, 0)]
    [InlineData(8, false, 1)]
    public void Integers_say_what_was_rounded(int bits, bool symmetric, int least)
    {
        Random random = new(3);
        IntegerGrid grid = new(bits, 32, symmetric) { HasHalfScales = true, LeastZeroPoint = least };
        // The columns' means differ, so that some groups have weights of one sign only.
        float[] weights = [.. Enumerable.Range(0, 6 * 256).Select(i => random.NextSingle() - 0.5f + i % 256 / 32 % 3 - 1)];
        weights.AsSpan(64, 32).Clear();
        weights.AsSpan(96, 32).Fill(1e-9f); // below all halves
        RoundedMatrix rounded = RoundToNearest.Round(weights, 6, 256, grid);
        GroupedIntegers integers = rounded.ToIntegers();
        float[] row = new float[256];
        for (int r = 0; r < 6; r++)
        {
            integers.Dequantize(r, row);
            Assert.Equal(rounded.Restore()[(r * 256)..((r + 1) * 256)], row);
        }
        Assert.All(integers.Scales, scale => Assert.Equal(scale, (float)(Half)scale));
        Assert.InRange(integers.Zeros.Min(), least, 1 << (bits - 1));
        Assert.Equal(symmetric, integers.IsSymmetric);
        Assert.Equal((0f, 0f), (integers.Scales[2], integers.Scales[3]));
        Assert.All(integers.Codes[64..128], code => Assert.Equal(1 << (bits - 1), code));
        Assert.Null(integers.ColumnGroups);
        // All are within half a step, for a least zero point costs a code but no reach.
        float[] values = rounded.Restore();
        for (int i = 0; i < values.Length; i++)
            Assert.InRange(MathF.Abs(values[i] - weights[i]), 0, 0.501f * Math.Max(integers.Scales[i / 32], 4e-9f) * (symmetric ? 2 : 1));
    }

    [Fact]
    public void Blocks_of_formats_are_no_such_integers() => Assert.Throws<InvalidOperationException>(() =>
        RoundToNearest.Round(new float[32], 1, 32, new BlockGrid(WeightFormats.Get(TensorType.Q4_0))).ToIntegers());
}
