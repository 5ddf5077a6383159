using System.Globalization;
using System.Numerics;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>
/// Python's numbers: integers of any size (here up to 16384 bits), floats, and truth values, which count as 1 and 0.
/// </summary>
internal static class Number
{
    private const int MaxBits = 16384;

    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    public static bool IsNumber(object? value) => value is long or double or bool or BigInteger;

    public static bool TryInteger(object? value, out BigInteger integer)
    {
        integer = value switch
        {
            long number => number,
            bool truth => truth ? 1 : 0,
            BigInteger big => big,
            _ => default,
        };
        return value is long or bool or BigInteger;
    }

    /// <summary>An integer as a value.</summary>
    /// <exception cref="TemplateException">It is too large.</exception>
    public static object Of(BigInteger value)
    {
        if (value.GetBitLength() > MaxBits)
            throw new TemplateException($"an integer has more than {MaxBits} bits");
        return Syntax.Token.Integer(value);
    }

    /// <summary>A number as a float.</summary>
    /// <exception cref="TemplateException">It is too large.</exception>
    public static double ToDouble(object? value) => value switch
    {
        double number => number,
        long number => number,
        bool truth => truth ? 1 : 0,
        // BigInteger's own conversion does not round to the nearest.
        BigInteger big when double.Parse(big.ToString(Invariant), Invariant) is var number && double.IsFinite(number) => number,
        BigInteger => throw new TemplateException("int too large to convert to float"),
        _ => throw new TemplateException($"must be real number, not {TemplateValue.TypeName(value)}"),
    };

    /// <summary>A float that is an integer.</summary>
    public static bool TryWhole(double value, out BigInteger whole)
    {
        bool can = double.IsFinite(value) && Math.Truncate(value) == value;
        whole = can ? new BigInteger(value) : default;
        return can;
    }

    /// <summary>Compares exactly; false if one is not a number (NaN).</summary>
    public static bool TryCompare(object x, object y, out int order)
    {
        order = 0;
        if (TryInteger(x, out BigInteger a) && TryInteger(y, out BigInteger b))
        {
            order = a.CompareTo(b);
            return true;
        }
        if (x is double left && y is double right)
        {
            order = left.CompareTo(right);
            return !double.IsNaN(left) && !double.IsNaN(right);
        }
        if (x is double)
        {
            bool can = TryCompare(y, x, out order);
            order = -order;
            return can;
        }
        return TryCompare(a, (double)y, out order);
    }

    private static bool TryCompare(BigInteger x, double y, out int order)
    {
        if (double.IsNaN(y) || double.IsInfinity(y))
        {
            order = y > 0 ? -1 : 1;
            return !double.IsNaN(y);
        }
        order = x.CompareTo(new BigInteger(Math.Floor(y)));
        if (order == 0 && Math.Floor(y) != y)
            order = -1;
        return true;
    }
}
