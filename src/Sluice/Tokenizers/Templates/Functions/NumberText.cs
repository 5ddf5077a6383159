using System.Globalization;
using System.Numerics;
using Sluice.Tokenizers.Templates.Syntax;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Numbers in texts, as Python's <c>int</c> and <c>float</c> read them.</summary>
internal static class NumberText
{
    private const int MaxDigits = 4300; // as Python

    public static bool TryInteger(string text, int radix, out BigInteger value)
    {
        value = 0;
        ReadOnlySpan<char> digits = Trim(text);
        bool negative = digits.StartsWith("-");
        if (negative || digits.StartsWith("+"))
            digits = digits[1..];
        int prefix = digits is ['0', var letter, _, ..] ? PrefixRadix(letter) : 0;
        if (prefix > 0 && (radix == prefix || radix == 0))
        {
            digits = digits[(digits[2] == '_' ? 3 : 2)..];
            radix = prefix;
        }
        if (radix == 0)
        {
            if (digits.StartsWith("0") && digits.ContainsAnyExcept('0', '_'))
                return false;
            radix = 10;
        }
        if (radix is < 2 or > 36 || digits.IsEmpty || digits.Length > MaxDigits)
            return false;
        bool afterDigit = false;
        foreach (char c in digits)
        {
            int digit = c == '_' && afterDigit ? -1 : Digit(c);
            if (digit >= radix || (digit < 0 && !(c == '_' && afterDigit)))
                return false;
            afterDigit = digit >= 0;
            if (afterDigit)
                value = (value * radix) + digit;
        }
        value = negative ? -value : value;
        return afterDigit;
    }

    public static bool TryFloat(string text, out double value)
    {
        value = 0;
        ReadOnlySpan<char> trimmed = Trim(text);
        if (trimmed.Length > MaxDigits)
            return false;
        string digits = trimmed.ToString();
        for (int i = 0; i < digits.Length; i++)
        {
            bool isBetweenDigits = i > 0 && i + 1 < digits.Length
                && char.IsAsciiDigit(digits[i - 1]) && char.IsAsciiDigit(digits[i + 1]);
            if (digits[i] == '_' && !isBetweenDigits)
                return false;
        }
        digits = digits.Replace("_", "");
        switch (digits.TrimStart('+', '-').ToLowerInvariant())
        {
            case "inf" or "infinity" when digits.Length - digits.TrimStart('+', '-').Length <= 1:
                value = digits[0] == '-' ? double.NegativeInfinity : double.PositiveInfinity;
                return true;
            case "nan" when digits.Length <= 4:
                value = double.NaN;
                return true;
        }
        // .NET also reads its own names of infinity and NaN.
        return !digits.AsSpan().ContainsAny("iInN∞")
            && double.TryParse(digits, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent,
                CultureInfo.InvariantCulture, out value);
    }

    private static ReadOnlySpan<char> Trim(string text)
    {
        ReadOnlySpan<char> part = text;
        while (!part.IsEmpty && Space.Is(part[0]))
            part = part[1..];
        while (!part.IsEmpty && Space.Is(part[^1]))
            part = part[..^1];
        return part;
    }

    private static int PrefixRadix(char letter) => letter switch
    {
        'x' or 'X' => 16,
        'o' or 'O' => 8,
        'b' or 'B' => 2,
        _ => 0,
    };

    private static int Digit(char c) => c switch
    {
        >= '0' and <= '9' => c - '0',
        >= 'a' and <= 'z' => c - 'a' + 10,
        >= 'A' and <= 'Z' => c - 'A' + 10,
        _ => CharUnicodeInfo.GetDecimalDigitValue(c),
    };
}
