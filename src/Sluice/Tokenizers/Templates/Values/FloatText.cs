using System.Globalization;
using System.Numerics;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>Floats as Python writes them.</summary>
internal static class FloatText
{
    /// <summary>The shortest digits that read back as the same float: <c>1.0</c>, <c>0.1</c>, <c>1e+16</c>, <c>1e-05</c>.</summary>
    public static string Repr(double value)
    {
        if (!double.IsFinite(value))
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        // .NET's shortest digits are the same; only where the exponent begins differs.
        string text = value.ToString("R", CultureInfo.InvariantCulture);
        string sign = text.StartsWith('-') ? "-" : "";
        string[] parts = text.TrimStart('-').Split('E');
        string[] mantissa = parts[0].Split('.');
        string whole = mantissa[0].TrimStart('0'), fraction = mantissa.Length > 1 ? mantissa[1] : "";
        string digits = (whole + fraction).TrimStart('0');
        if (digits.Length == 0)
            return sign + "0.0";
        int exponent = whole.Length > 0 ? whole.Length - 1 : digits.Length - fraction.Length - 1;
        if (parts.Length > 1)
            exponent += int.Parse(parts[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        return sign + Layout(digits.TrimEnd('0'), exponent);
    }

    /// <summary>A fixed number of digits after the point, rounded half to even from the exact value.</summary>
    public static string Fixed(double value, int digits)
    {
        if (!double.IsFinite(value))
            return Repr(value);
        BigInteger scaled = RoundScaled(Math.Abs(value), digits);
        string text = scaled.ToString(CultureInfo.InvariantCulture).PadLeft(digits + 1, '0');
        string sign = double.IsNegative(value) ? "-" : "";
        return digits == 0 ? sign + text : $"{sign}{text[..^digits]}.{text[^digits..]}";
    }

    /// <summary>A number of significant digits, rounded half to even, and the exponent of the first.</summary>
    public static (string Digits, int Exponent) Significant(double value, int count)
    {
        value = Math.Abs(value);
        if (value == 0)
            return (new string('0', count), 0);
        int exponent = (int)Math.Floor(Math.Log10(value));
        // The logarithm may be one off, and rounding may carry into another digit.
        for (exponent++; ; exponent--)
        {
            string text = RoundScaled(value, count - 1 - exponent).ToString(CultureInfo.InvariantCulture);
            if (text.Length > count)
                return (text[..count], exponent + 1);
            if (text.Length == count)
                return (text, exponent);
        }
    }

    /// <summary>Python's <c>round(value, digits)</c>.</summary>
    public static double Round(double value, int digits)
    {
        if (!double.IsFinite(value) || digits > 323)
            return value;
        if (digits < -308)
            return Math.CopySign(0, value);
        string text = RoundScaled(Math.Abs(value), digits).ToString(CultureInfo.InvariantCulture);
        double result = double.Parse($"{text}E{-digits}", NumberStyles.Float, CultureInfo.InvariantCulture);
        return Math.CopySign(result, value);
    }

    /// <summary>value * 10^digits, rounded half to even, exactly.</summary>
    private static BigInteger RoundScaled(double value, int digits)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)((bits >> 52) & 0x7FF);
        BigInteger numerator = (bits & ((1L << 52) - 1)) | (exponent == 0 ? 0 : 1L << 52);
        exponent = Math.Max(exponent, 1) - 1075;
        BigInteger denominator = 1;
        if (exponent > 0)
            numerator <<= exponent;
        else
            denominator <<= -exponent;
        if (digits > 0)
            numerator *= BigInteger.Pow(10, digits);
        else
            denominator *= BigInteger.Pow(10, -digits);
        BigInteger quotient = BigInteger.DivRem(numerator, denominator, out BigInteger remainder);
        int half = (remainder * 2).CompareTo(denominator);
        return half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }

    private static string Layout(string digits, int exponent)
    {
        if (exponent is < -4 or >= 16)
        {
            string fraction = digits.Length > 1 ? "." + digits[1..] : "";
            return $"{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }
        if (exponent < 0)
            return "0." + new string('0', -exponent - 1) + digits;
        if (digits.Length <= exponent + 1)
            return digits.PadRight(exponent + 1, '0') + ".0";
        return digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
    }
}
