using System.Globalization;

namespace Sluice.Tensors.Formats;

public class Float8Tests
{
    // From the tables of OCP's specification, as text: exponent and fraction of every code, apart from the code under test.
    private static float Expected(int code, int exponentBits, int bias)
    {
        int fractionBits = 7 - exponentBits;
        string bits = Convert.ToString(code, 2).PadLeft(8, '0');
        int exponent = Convert.ToInt32(bits.Substring(1, exponentBits), 2);
        double fraction = Convert.ToInt32(bits[(1 + exponentBits)..], 2) / (double)(1 << fractionBits);
        bool isLast = exponent == (1 << exponentBits) - 1;
        if (exponentBits == 5 && isLast)
            return fraction > 0 ? float.NaN : bits[0] == '1' ? float.NegativeInfinity : float.PositiveInfinity;
        if (exponentBits == 4 && isLast && fraction == 7 / 8.0)
            return float.NaN;
        double magnitude = exponent == 0 ? fraction * Math.Pow(2, 1 - bias) : (1 + fraction) * Math.Pow(2, exponent - bias);
        return (float)(bits[0] == '1' ? -magnitude : magnitude);
    }

    [Theory]
    [InlineData(4, 7)]
    [InlineData(5, 15)]
    public void Every_code_is_what_the_specification_says(int exponentBits, int bias)
    {
        for (int code = 0; code < 256; code++)
        {
            float value = exponentBits == 4 ? Float8.FromE4M3((byte)code) : Float8.FromE5M2((byte)code);
            Assert.Equal(BitConverter.SingleToInt32Bits(Expected(code, exponentBits, bias)), float.IsNaN(value) ? BitConverter.SingleToInt32Bits(float.NaN) : BitConverter.SingleToInt32Bits(value));
            if (float.IsFinite(value))
                Assert.Equal((byte)code, exponentBits == 4 ? Float8.ToE4M3(value) : Float8.ToE5M2(value));
        }
    }

    [Theory]
    [InlineData("0x38", 1f)]
    [InlineData("0x7E", 448f)]
    [InlineData("0x08", 0.015625f)] // the least normal
    [InlineData("0x01", 0.001953125f)] // the least
    [InlineData("0xFE", -448f)]
    public void E4M3_as_the_specification_lists_it(string code, float value) =>
        Assert.Equal(value, Float8.FromE4M3(byte.Parse(code[2..], NumberStyles.HexNumber)));

    [Theory]
    [InlineData("0x3C", 1f)]
    [InlineData("0x7B", 57344f)]
    [InlineData("0x04", 6.103515625e-05f)]
    [InlineData("0x01", 1.52587890625e-05f)]
    [InlineData("0x7C", float.PositiveInfinity)]
    public void E5M2_as_the_specification_lists_it(string code, float value) =>
        Assert.Equal(value, Float8.FromE5M2(byte.Parse(code[2..], NumberStyles.HexNumber)));

    /// <summary>Between any two neighbours: the nearer one, and of a tie the one whose last bit is 0.</summary>
    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void Encoding_rounds_to_nearest_even_and_saturates(int exponentBits)
    {
        Func<byte, float> decode = exponentBits == 4 ? Float8.FromE4M3 : Float8.FromE5M2;
        Func<float, byte> encode = exponentBits == 4 ? Float8.ToE4M3 : Float8.ToE5M2;
        int last = exponentBits == 4 ? 0x7E : 0x7B;
        for (int code = 0; code < last; code++)
        {
            float low = decode((byte)code), high = decode((byte)(code + 1)), middle = (low + high) / 2;
            int even = code % 2 == 0 ? code : code + 1;
            foreach ((float value, int expected) in ((float, int)[])
                [(low, code), (MathF.BitDecrement(middle), code), (middle, even), (MathF.BitIncrement(middle), code + 1), (high, code + 1)])
            {
                Assert.Equal((byte)expected, encode(value));
                Assert.Equal((byte)(expected | 0x80), encode(-value));
            }
        }
        float largest = decode((byte)last);
        foreach (float beyond in (float[])[MathF.BitIncrement(largest), 2 * largest, float.MaxValue, float.PositiveInfinity])
        {
            Assert.Equal((byte)last, encode(beyond));
            Assert.Equal((byte)(last | 0x80), encode(-beyond));
        }
        Assert.True(float.IsNaN(decode(encode(float.NaN))));
        Assert.Equal(0, encode(float.Epsilon));
    }
}
