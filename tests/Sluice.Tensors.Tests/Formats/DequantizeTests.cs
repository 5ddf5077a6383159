using System.Runtime.InteropServices;

namespace Sluice.Tensors.Formats;

public class DequantizeTests
{
    public static TheoryData<string, bool> Goldens =>
        new(GoldenQuant.All.Select(g => (g.Type, g.Imatrix)));

    public static TheoryData<string> IntegerFormats =>
        new(WeightFormats.All.Where(f => f.Integer is not null).Select(f => f.Name));

    [Theory]
    [MemberData(nameof(Goldens))]
    public void Golden_bytes_give_the_golden_values_to_the_bit(string type, bool imatrix)
    {
        GoldenQuant golden = GoldenQuant.Find(type, imatrix);
        WeightFormat format = golden.Format;
        Assert.Equal((golden.Block, golden.BlockBytes), (format.BlockSize, format.BlockBytes));
        Assert.Equal(golden.Type, format.Name, ignoreCase: true);

        float[] values = new float[GoldenQuant.Input.Length];
        format.Dequantize(golden.Bytes, values);

        Assert.Equal(MemoryMarshal.Cast<float, int>(golden.Values), MemoryMarshal.Cast<float, int>(values));
        Assert.Equal(golden.Nmse, GoldenQuant.Error(values, weighted: false), golden.Nmse * 1e-4);
        Assert.Equal(golden.WeightedNmse, GoldenQuant.Error(values, weighted: true), golden.WeightedNmse * 1e-4);
    }

    [Theory]
    [MemberData(nameof(IntegerFormats))]
    public void Any_bytes_decompose_into_integers_in_range_that_give_the_values(string name)
    {
        IntegerFormat format = WeightFormats.Get(name).Integer!;
        Assert.InRange(format.Lowest, -128, format.Highest);
        Assert.InRange(format.Highest, format.Lowest, 127);
        Assert.Contains(format.GroupSize, new[] { 16, 32 });

        const int blocks = 64;
        byte[] bytes = new byte[blocks * format.BlockBytes];
        new Random(5).NextBytes(bytes);
        float[] values = new float[blocks * format.BlockSize];
        format.Dequantize(bytes, values);

        sbyte[] quants = new sbyte[values.Length];
        float[] scales = new float[values.Length / format.GroupSize];
        float[] mins = new float[format.HasMin ? scales.Length : 0];
        format.Decompose(bytes, quants, scales, mins);

        int compared = 0;
        for (int i = 0; i < values.Length; i++)
        {
            Assert.InRange(quants[i], format.Lowest, format.Highest);
            float scale = scales[i / format.GroupSize], min = format.HasMin ? mins[i / format.GroupSize] : 0;
            if (!float.IsFinite(scale) || !float.IsFinite(min))
                continue;
            Assert.Equal(scale * quants[i] + min, values[i]);
            compared++;
        }
        Assert.True(compared > values.Length / 2);
        Assert.Equal(format.Lowest, quants.Min());
        Assert.Equal(format.Highest, quants.Max());
    }

    [Theory]
    [InlineData(TensorType.F16, 16)]
    [InlineData(TensorType.BF16, 8)]
    public void Every_number_of_16_bits_survives_the_way_there_and_back(TensorType type, int exponentBits)
    {
        WeightFormat format = WeightFormats.Get(type);
        ushort[] numbers = [.. Enumerable.Range(0, 65536 + 7).Select(i => (ushort)i)];
        float[] values = new float[numbers.Length];
        format.Dequantize(MemoryMarshal.AsBytes<ushort>(numbers), values);
        for (int i = 0; i < numbers.Length; i++)
        {
            float expected = exponentBits == 8
                ? BitConverter.UInt32BitsToSingle((uint)numbers[i] << 16)
                : (float)BitConverter.UInt16BitsToHalf(numbers[i]);
            if (float.IsNaN(expected))
                Assert.True(float.IsNaN(values[i]));
            else
                Assert.Equal(BitConverter.SingleToInt32Bits(expected), BitConverter.SingleToInt32Bits(values[i]));
        }

        ushort[] back = new ushort[numbers.Length];
        format.Quantize(values, MemoryMarshal.AsBytes(back.AsSpan()));
        for (int i = 0; i < numbers.Length; i++)
        {
            if (!float.IsNaN(values[i]))
                Assert.Equal(numbers[i], back[i]);
        }
    }

    [Fact]
    public void Bytes_that_are_no_whole_blocks_are_refused()
    {
        foreach (WeightFormat format in WeightFormats.All)
        {
            int bytes = format.BlockBytes * 2, weights = format.BlockSize * 2;
            Assert.Throws<ArgumentException>(() => format.Dequantize(new byte[bytes + 1], new float[weights]));
            Assert.Throws<ArgumentException>(() => format.Dequantize(new byte[bytes], new float[weights / 2]));
        }
    }
}
