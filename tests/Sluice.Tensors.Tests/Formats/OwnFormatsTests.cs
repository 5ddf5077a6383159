namespace Sluice.Tensors.Formats;

/// <summary>The formats that tensors of others' checkpoints become.</summary>
public class OwnFormatsTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public void A_stream_of_codes_is_read_as_it_was_written_lowest_bits_first(int bits)
    {
        byte[] codes = new byte[64], packed = new byte[8 * bits], back = new byte[64];
        new Random(bits).NextBytes(codes);
        for (int i = 0; i < codes.Length; i++)
            codes[i] &= (byte)((1 << bits) - 1);
        BitStream.Write(codes, bits, packed);
        for (int i = 0; i < codes.Length * bits; i++)
            Assert.Equal((codes[i / bits] >> (i % bits)) & 1, (packed[i / 8] >> (i % 8)) & 1);
        BitStream.Read(packed, bits, back);
        Assert.Equal(codes, back);
    }

    [Fact]
    public void Grouped_blocks_are_scale_times_code_less_zero()
    {
        Random random = new(3);
        foreach (GroupedFormat format in GroupedFormat.All.Cast<GroupedFormat>())
        {
            byte[] codes = new byte[format.BlockSize], block = new byte[format.BlockBytes];
            random.NextBytes(codes);
            int mask = (1 << format.Bits) - 1, zero = format.HasZero ? random.Next(mask + 1) : (mask + 1) / 2;
            for (int i = 0; i < codes.Length; i++)
                codes[i] &= (byte)mask;
            float scale = format.HasSingles ? random.NextSingle() : (float)(Half)random.NextSingle();
            format.WriteHeader(scale, zero, block);
            BitStream.Write(codes, format.Bits, block.AsSpan(format.HeaderBytes));
            float[] values = new float[format.BlockSize];
            format.Dequantize(block, values);
            for (int i = 0; i < codes.Length; i++)
            {
                // A half's product is exact; a single's has two roundings.
                float expected = scale * (codes[i] - zero);
                Assert.InRange(values[i], expected - (format.HasSingles ? scale * 1e-4f : 0), expected + (format.HasSingles ? scale * 1e-4f : 0));
            }
        }
    }

    [Theory]
    [InlineData(4, 128, 4096, "W4G128Z")]
    [InlineData(4, 128, 4864 + 64, "W4G64Z")]
    [InlineData(3, 4096, 4096, "W3G256Z")]
    [InlineData(8, 96, 960, "W8G32Z")]
    [InlineData(4, 16, 4096, null)]
    [InlineData(7, 128, 4096, null)]
    public void The_largest_block_that_fits_is_found(int bits, int group, int columns, string? expected) =>
        Assert.Equal(expected, GroupedFormat.Find(bits, group, columns, hasZero: true, hasSingles: false)?.Name);

    [Theory]
    [InlineData("F8_E4M3", 0.04)]
    [InlineData("F8_E5M2", 0.08)]
    [InlineData("NF4", 0.13)]
    [InlineData("FP4", 0.2)]
    public void Small_floats_are_made_with_a_small_error(string name, double limit)
    {
        WeightFormat format = WeightFormats.Get(name);
        Random random = new(4);
        float[] values = new float[format.BlockSize * 16], back = new float[values.Length];
        for (int i = 0; i < values.Length; i++)
            values[i] = MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(MathF.Tau * random.NextSingle());
        byte[] blocks = new byte[format.BlockBytes * 16];
        format.Quantize(values, blocks);
        format.Dequantize(blocks, back);
        double error = 0, sum = 0;
        for (int i = 0; i < values.Length; i++)
            (error, sum) = (error + Math.Pow(values[i] - back[i], 2), sum + Math.Pow(values[i], 2));
        Assert.InRange(Math.Sqrt(error / sum), 0, limit);
        // What is there already stays as it is, but for a scale that rounds another way.
        format.Quantize(back, blocks);
        float[] again = new float[values.Length];
        format.Dequantize(blocks, again);
        for (int i = 0; i < again.Length; i++)
            Assert.InRange(again[i], back[i] - Math.Abs(back[i]) * 1e-6f, back[i] + Math.Abs(back[i]) * 1e-6f);
        format.Quantize(new float[format.BlockSize], blocks.AsSpan(0, format.BlockBytes));
        format.Dequantize(blocks.AsSpan(0, format.BlockBytes), again.AsSpan(0, format.BlockSize));
        Assert.Equal(new float[format.BlockSize], again[..format.BlockSize]);
    }

    [Fact]
    public void Parts_of_grouped_integers_that_do_not_go_together_are_refused()
    {
        GroupedIntegers Make(int bits = 4, int codes = 64, int scales = 4, int zeros = 4, byte code = 0, int[]? groups = null) =>
            new(2, 32, bits, 16, [.. Enumerable.Repeat(code, codes)], new float[scales], new byte[zeros], groups);
        GroupedIntegers good = Make();
        Assert.Equal(2, good.Groups);
        Assert.Contains("bits", Assert.Throws<ArgumentException>(() => Make(bits: 9)).Message);
        Assert.Contains("codes", Assert.Throws<ArgumentException>(() => Make(codes: 63)).Message);
        Assert.Contains("scales", Assert.Throws<ArgumentException>(() => Make(scales: 2)).Message);
        Assert.Contains("zero points", Assert.Throws<ArgumentException>(() => Make(zeros: 3)).Message);
        Assert.Contains("above 15", Assert.Throws<ArgumentException>(() => Make(code: 16)).Message);
        Assert.Contains("group", Assert.Throws<ArgumentException>(() => Make(groups: [.. Enumerable.Repeat(2, 32)])).Message);
    }
}
