namespace Sluice.Tensors.Formats;

/// <summary>
/// The 8-bit floats of "FP8 Formats for Deep Learning" (Micikevicius et al. 2022, and OCP's 8-bit floating point specification 1.0):
/// <code>
/// E4M3   | sign | exponent, 4 bits, bias 7  | fraction, 3 bits |   no infinity; 0x7F and 0xFF are NaN; largest 448   ("fn" in PyTorch)
/// E5M2   | sign | exponent, 5 bits, bias 15 | fraction, 2 bits |   as IEEE 754; the upper byte of a half; largest 57344
/// </code>
/// </summary>
public static class Float8
{
    /// <summary>The largest E4M3.</summary>
    public const float LargestE4M3 = 448;

    /// <summary>The largest finite E5M2.</summary>
    public const float LargestE5M2 = 57344;

    /// <summary>What an E4M3 code stands for.</summary>
    public static float FromE4M3(byte code)
    {
        // Moved to where a half keeps them, exponent and fraction mean 2^-8 of the value, subnormals included.
        if ((code & 0x7F) == 0x7F)
            return float.NaN;
        return (float)BitConverter.UInt16BitsToHalf((ushort)(((code & 0x80) << 8) | ((code & 0x7F) << 7))) * 256;
    }

    /// <summary>What an E5M2 code stands for.</summary>
    public static float FromE5M2(byte code) => (float)BitConverter.UInt16BitsToHalf((ushort)(code << 8));

    /// <summary>The nearest E4M3, ties to even; beyond the largest the largest, NaN for NaN.</summary>
    public static byte ToE4M3(float value) => Round(value, fraction: 3, leastExponent: -6, LargestE4M3, largestCode: 0x7E);

    /// <summary>The nearest E5M2, ties to even; beyond the largest finite one that one, infinities included; NaN for NaN.</summary>
    public static byte ToE5M2(float value) => Round(value, fraction: 2, leastExponent: -14, LargestE5M2, largestCode: 0x7B);

    private static byte Round(float value, int fraction, int leastExponent, float largest, int largestCode)
    {
        int sign = float.IsNegative(value) ? 0x80 : 0;
        if (float.IsNaN(value))
            return (byte)(sign | 0x7F);
        float magnitude = Math.Abs(value);
        if (magnitude >= largest)
            return (byte)(sign | largestCode);
        // In units of the last place, which is the same for all below the least normal number. The scaling is exact.
        int exponent = magnitude == 0 ? leastExponent : Math.Max(Math.ILogB(magnitude), leastExponent);
        int units = (int)MathF.Round(MathF.ScaleB(magnitude, fraction - exponent), MidpointRounding.ToEven);
        // A normal number's leading bit adds 1 to the exponent's bits; so does a carry into the next power of two.
        return (byte)(sign | (((exponent - leastExponent) << fraction) + units));
    }
}
