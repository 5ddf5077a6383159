using Sluice.Tensors.Formats;

namespace Sluice.Compression.Tests;

public class BlockCodesTests
{
    [Fact]
    public void Every_format_with_a_code_for_each_weight_has_them()
    {
        TensorType[] found = [.. WeightFormats.All.Where(format => format.Integer is { } integer && BlockCodes.Of(integer) is not null).Select(format => format.Type)];
        TensorType[] expected =
        [
            TensorType.Q4_0, TensorType.Q4_1, TensorType.Q5_0, TensorType.Q5_1, TensorType.Q8_0, TensorType.Q2_K, TensorType.Q3_K,
            TensorType.Q4_K, TensorType.Q5_K, TensorType.Q6_K, TensorType.IQ4_NL, TensorType.IQ4_XS, TensorType.MXFP4, TensorType.NVFP4,
        ];
        Assert.Empty(expected.Except(found));
        Assert.DoesNotContain(TensorType.TQ1_0, found);
        Assert.DoesNotContain(TensorType.IQ2_XXS, found);
    }

    [Fact]
    public void Written_codes_are_read_back_and_scales_stay()
    {
        Random random = new(1);
        foreach (WeightFormat format in WeightFormats.All)
        {
            if (format.Integer is not { } integer || BlockCodes.Of(integer) is not { } codes)
                continue;
            byte[] block = new byte[format.BlockBytes];
            random.NextBytes(block);
            int groups = format.BlockSize / integer.GroupSize;
            sbyte[] before = new sbyte[format.BlockSize], after = new sbyte[format.BlockSize];
            float[] scales = new float[groups], mins = new float[integer.HasMin ? groups : 0], scalesAfter = new float[groups], minsAfter = new float[mins.Length];
            integer.Decompose(block, before, scales, mins);
            short[] wanted = [.. before.Select(_ => (short)codes.Nearest(random.Next(integer.Lowest, integer.Highest + 1)))];
            codes.Write(block, wanted);
            integer.Decompose(block, after, scalesAfter, minsAfter);
            Assert.Equal(wanted, after.Select(q => (short)q));
            Assert.Equal(scales, scalesAfter);
            Assert.Equal(mins, minsAfter);
        }
    }
}
