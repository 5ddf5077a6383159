using System.Globalization;
using System.Numerics;
using System.Text;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>
/// How a value is laid out: <c>[[fill]align][sign][#][0][width][,][.precision][type]</c> of Python's format specifications, and
/// the flags of <c>%</c>, which mean the same.
/// </summary>
internal sealed record FormatSpec
{
    private const int MaxPrecision = 1000;

    public string Fill { get; init; } = " ";

    /// <summary>&lt;, &gt;, ^, = (between the sign and the digits), or 0 for what is usual.</summary>
    public char Align { get; init; }

    public char Sign { get; init; } = '-';

    public bool IsAlternate { get; init; }

    /// <summary>Whether zeros fill numbers between the sign and the digits.</summary>
    public bool IsZeroPadded { get; init; }

    public int Width { get; init; }

    public char Grouping { get; init; }

    public int? Precision { get; init; }

    public char Type { get; init; }

    /// <summary>Reads a format specification.</summary>
    public static FormatSpec Parse(string text)
    {
        FormatSpec spec = new();
        int i = 0, fill = text.Length > 0 ? CodePoints.LengthAt(text, 0) : 0;
        if (fill > 0 && fill < text.Length && text[fill] is '<' or '>' or '^' or '=')
            (spec, i) = (spec with { Fill = text[..fill], Align = text[fill] }, fill + 1);
        else if (At(i) is '<' or '>' or '^' or '=')
            spec = spec with { Align = text[i++] };
        if (At(i) is '+' or '-' or ' ')
            spec = spec with { Sign = text[i++] };
        if (At(i) == '#')
            (spec, i) = (spec with { IsAlternate = true }, i + 1);
        if (At(i) == '0')
        {
            spec = spec.Align == 0 ? spec with { Fill = "0", IsZeroPadded = true } : spec;
            i++;
        }
        if (TryDigits(out int number))
            spec = spec with { Width = number };
        if (At(i) is ',' or '_')
            spec = spec with { Grouping = text[i++] };
        if (At(i) == '.')
        {
            i++;
            spec = TryDigits(out number)
                ? spec with { Precision = number }
                : throw new TemplateException("Format specifier missing precision");
        }
        if (i < text.Length)
            spec = spec with { Type = text[i++] };
        return i == text.Length ? spec : throw new TemplateException("Invalid format specifier");

        char At(int position) => position < text.Length ? text[position] : '\0';

        bool TryDigits(out int value)
        {
            int start = i;
            while (char.IsAsciiDigit(At(i)))
                i++;
            return int.TryParse(text.AsSpan(start, i - start), NumberStyles.None, CultureInfo.InvariantCulture, out value)
                || (i > start ? throw new TemplateException("Too many decimal digits in format string") : false);
        }
    }

    /// <summary>Lays a value out, as Python's <c>format</c>.</summary>
    public string Format(object? value, Budget budget)
    {
        if (TemplateValue.TryText(value, out string text))
        {
            return Type is '\0' or 's' && Align != '=' && Sign == '-' && Grouping == 0 && !IsAlternate
                ? FormatText(text, budget)
                : throw new TemplateException("Unknown format code or flag for object of type 'str'");
        }
        if (value is double or long or BigInteger or bool)
            return FormatNumber(value, budget);
        throw new TemplateException($"unsupported format string passed to {TemplateValue.TypeName(value)}.__format__");
    }

    public string FormatText(string text, Budget budget)
    {
        if (Precision is { } most && CodePoints.Count(text) > most)
            text = text[..CodePoints.Offset(text, most)];
        return Pad("", text, Align == 0 ? '<' : Align, budget);
    }

    public string FormatNumber(object value, Budget budget)
    {
        bool negative;
        string body, prefix = "";
        if (Type is 'd' or 'b' or 'o' or 'x' or 'X' or 'c' || (value is not double && Type is ('\0' or 'n')))
        {
            if (!Number.TryInteger(value, out BigInteger integer) || Precision is not null)
            {
                throw new TemplateException(value is double
                    ? $"Unknown format code '{Type}' for object of type 'float'"
                    : "Precision not allowed in integer format specifier");
            }
            if (Type == 'c')
                return Pad("", Character(integer), Align == 0 ? '<' : Align, budget);
            negative = integer.Sign < 0;
            (prefix, body) = IntegerDigits(BigInteger.Abs(integer));
            body = Group(body);
        }
        else
        {
            double number = Number.ToDouble(value);
            negative = double.IsNegative(number) && !double.IsNaN(number);
            body = Group(FloatDigits(Math.Abs(number)));
        }
        string sign = negative ? "-" : Sign == '-' ? "" : Sign.ToString();
        char align = Align != 0 ? Align : IsZeroPadded ? '=' : '>';
        if (Grouping != 0 && Fill == "0" && align == '=')
            body = GroupZeros(body, Width - sign.Length - prefix.Length, budget);
        return Pad(sign + prefix, body, align, budget);
    }

    private static string Character(BigInteger code) => code >= 0 && code <= 0x10FFFF
        ? code > char.MaxValue ? char.ConvertFromUtf32((int)code) : ((char)(int)code).ToString()
        : throw new TemplateException("%c arg not in range(0x110000)");

    private (string Prefix, string Digits) IntegerDigits(BigInteger value)
    {
        string digits = Type switch
        {
            'x' or 'X' => value.ToString("x", CultureInfo.InvariantCulture),
            'b' => value.ToString("b", CultureInfo.InvariantCulture),
            'o' => Octal(value),
            _ => value.ToString(CultureInfo.InvariantCulture),
        };
        if (Type is 'x' or 'X' or 'b')
            digits = digits.TrimStart('0').PadLeft(1, '0');
        if (Type == 'X')
            digits = digits.ToUpperInvariant();
        return (IsAlternate && Type is ('x' or 'X' or 'b' or 'o') ? "0" + Type : "", digits);
    }

    private static string Octal(BigInteger value)
    {
        Stack<char> digits = new();
        do
        {
            value = BigInteger.DivRem(value, 8, out BigInteger digit);
            digits.Push((char)('0' + (int)digit));
        }
        while (!value.IsZero);
        return string.Concat(digits);
    }

    private string FloatDigits(double value)
    {
        if (Precision > MaxPrecision)
            throw new TemplateException($"a precision of more than {MaxPrecision} digits is not supported");
        if (!double.IsFinite(value))
        {
            string name = double.IsNaN(value) ? "nan" : "inf";
            return Type is 'F' or 'E' or 'G' ? name.ToUpperInvariant() : Type == '%' ? name + "%" : name;
        }
        int precision = Precision ?? 6;
        string text = Type switch
        {
            'f' or 'F' => FloatText.Fixed(value, precision) + (IsAlternate && precision == 0 ? "." : ""),
            '%' => FloatText.Fixed(value * 100, precision) + "%",
            'e' or 'E' => Exponential(value, precision),
            'g' or 'G' or 'n' => General(value, precision, withPoint: false),
            '\0' => Precision is null ? FloatText.Repr(value) : General(value, precision, withPoint: true),
            _ => throw new TemplateException($"Unknown format code '{Type}' for object of type 'float'"),
        };
        return Type is 'E' or 'G' ? text.ToUpperInvariant() : text;
    }

    private static string Exponential(double value, int precision)
    {
        (string digits, int exponent) = FloatText.Significant(value, precision + 1);
        string fraction = precision > 0 ? "." + digits[1..] : "";
        return $"{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
    }

    private string General(double value, int precision, bool withPoint)
    {
        precision = Math.Max(precision, 1);
        (string digits, int exponent) = FloatText.Significant(value, precision);
        // Without a type, at least one digit follows the point.
        if (exponent < -4 || exponent >= (withPoint ? Math.Max(precision - 1, 1) : precision))
        {
            string mantissa = IsAlternate ? digits : digits[0] + digits[1..].TrimEnd('0');
            string fraction = mantissa.Length > 1 ? "." + mantissa[1..] : "";
            return $"{digits[0]}{fraction}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}";
        }
        string text = FloatText.Fixed(value, Math.Max(precision - 1 - exponent, 0));
        if (!IsAlternate && text.Contains('.'))
            text = text.TrimEnd('0').TrimEnd('.');
        return withPoint && !text.Contains('.') ? text + ".0" : text;
    }

    /// <summary>As many zeros before the digits as fill the width once all are grouped.</summary>
    private string GroupZeros(string grouped, int width, Budget budget)
    {
        string digits = grouped.Replace(Grouping.ToString(), "");
        int whole = Whole(digits), zeros = 0;
        while (zeros + digits.Length + ((whole + zeros - 1) / GroupSize) < width)
            zeros++;
        return Group(Padding.Repeat("0", zeros, budget) + digits);
    }

    private string Group(string digits)
    {
        if (Grouping == 0)
            return digits;
        int whole = Whole(digits);
        StringBuilder grouped = new();
        for (int i = 0; i < whole; i++)
        {
            if (i > 0 && (whole - i) % GroupSize == 0)
                grouped.Append(Grouping);
            grouped.Append(digits[i]);
        }
        return grouped.Append(digits, whole, digits.Length - whole).ToString();
    }

    private int GroupSize => Type is 'b' or 'o' or 'x' or 'X' ? 4 : 3;

    /// <summary>How many digits stand before a point, an exponent or a sign.</summary>
    private int Whole(string digits) =>
        Type is not ('x' or 'X') && digits.AsSpan().IndexOfAny(".eE%") is var end && end >= 0 ? end : digits.Length;

    private string Pad(string sign, string body, char align, Budget budget)
    {
        int width = Math.Max(Width - sign.Length, 0);
        return align switch
        {
            '<' => Padding.Right(sign + body, Width, Fill, budget),
            '=' => sign + Padding.Left(body, width, Fill, budget),
            '^' => Center(sign + body, budget),
            _ => Padding.Left(sign + body, Width, Fill, budget),
        };
    }

    private string Center(string text, Budget budget)
    {
        int missing = Math.Max(Width - CodePoints.Count(text), 0);
        return Padding.Repeat(Fill, missing / 2, budget) + text + Padding.Repeat(Fill, missing - (missing / 2), budget);
    }
}
