using System.Globalization;
using Sluice.Grammars.Machine;
using Sluice.Grammars.Syntax;

namespace Sluice.Grammars.Json;

/// <summary>Numbers between bounds, by their digits. They have no exponent, and at most 18 digits before the point and 16 after it.</summary>
/// <param name="Min">The least number; null for any.</param>
/// <param name="Max">The greatest.</param>
/// <param name="IsAbove">Whether the least is excluded.</param>
/// <param name="IsBelow">Whether the greatest is excluded.</param>
internal readonly record struct NumberRange(decimal? Min, decimal? Max, bool IsAbove, bool IsBelow)
{
    private static readonly Expression Digit = new ByteRange((byte)'0', (byte)'9');
    private static readonly Expression Digits = Digit.Times(0, int.MaxValue);
    private static readonly Expression Minus = Expression.Text("-");
    private static readonly Expression Fraction = Expression.Then(Expression.Text("."), Digit.Times(1, 16));

    /// <summary>Numbers with a fraction or without.</summary>
    public static Expression Any { get; } = Expression.Then(Minus.Optional(), JsonValues.Whole, Fraction.Optional());

    /// <summary>Whole numbers.</summary>
    public static Expression AnyInteger { get; } = Expression.Then(Minus.Optional(), JsonValues.Whole);

    /// <summary>The numbers of both ranges.</summary>
    public NumberRange And(NumberRange other)
    {
        NumberRange result = this;
        if (other.Min is { } min && (Min is null || min > Min || (min == Min && other.IsAbove)))
            result = result with { Min = min, IsAbove = other.IsAbove };
        if (other.Max is { } max && (Max is null || max < Max || (max == Max && other.IsBelow)))
            result = result with { Max = max, IsBelow = other.IsBelow };
        return result;
    }

    /// <summary>Those of some numbers that are in the range.</summary>
    public Expression Of(Expression numbers)
    {
        // What is below zero is the mirror image of what is above.
        if (Min is { } min)
        {
            numbers = Product.Both(numbers, min >= 0 ? AtLeast(min, IsAbove)
                : Expression.Any(Expression.Then(Digits, Fraction.Optional()), Expression.Then(Minus, AtMost(-min, IsAbove))));
        }
        if (Max is { } max)
        {
            numbers = Product.Both(numbers, max < 0 ? Expression.Then(Minus, AtLeast(-max, IsBelow))
                : Expression.Any(Expression.Then(Minus, Digits, Fraction.Optional()), AtMost(max, IsBelow)));
            if (max == 0 && IsBelow) // -0 is zero
                numbers = Product.Without(numbers, Expression.Then(Minus, Expression.Text("0"), Zeros.Optional()));
        }
        return numbers;
    }

    private static Expression Zeros => Expression.Then(Expression.Text("."), Expression.Text("0").Times(1, int.MaxValue));

    /// <summary>Texts of numbers without a sign that are no less than a bound.</summary>
    private static Expression AtLeast(decimal bound, bool isStrict)
    {
        (string whole, string fraction) = Split(bound);
        List<Expression> options = [Expression.Then(new ByteRange((byte)'1', (byte)'9'), Digit.Times(whole.Length, int.MaxValue), Fraction.Optional())];
        Beyond(whole, up: true, Fraction.Optional(), options, "");
        // The whole part is the same: then by the fraction.
        List<Expression> fractions = [];
        Beyond(fraction, up: true, Digits, fractions, "");
        fractions.Add(Expression.Then(Expression.Text(fraction), isStrict
            ? Expression.Then(Digits, new ByteRange((byte)'1', (byte)'9'), Digits) : Digits));
        Expression after = Expression.Then(Expression.Text("."), Expression.Any([.. fractions]));
        options.Add(Expression.Then(Expression.Text(whole), fraction.Length == 0 && !isStrict ? after.Optional() : after));
        return Expression.Any([.. options]);
    }

    /// <summary>Texts of numbers without a sign that are no greater than a bound.</summary>
    private static Expression AtMost(decimal bound, bool isStrict)
    {
        (string whole, string fraction) = Split(bound);
        List<Expression> options = [];
        if (whole.Length > 1)
            options.Add(Expression.Then(Digit.Times(1, whole.Length - 1), Fraction.Optional()));
        Beyond(whole, up: false, Fraction.Optional(), options, "");
        List<Expression> fractions = [];
        Beyond(fraction, up: false, Digits, fractions, "");
        for (int i = 1; i < fraction.Length; i++) // shorter ones are less, as the last digit is not zero
            fractions.Add(Expression.Text(fraction[..i]));
        if (!isStrict)
            fractions.Add(Expression.Then(Expression.Text(fraction), Expression.Text("0").Times(0, int.MaxValue)));
        Expression after = Expression.Then(Expression.Text("."), Expression.Any([.. fractions]));
        options.Add(Expression.Then(Expression.Text(whole), fraction.Length > 0 || !isStrict ? after.Optional() : after));
        return Expression.Any([.. options]);
    }

    /// <summary>Adds the texts that are equal to some digits up to one place and there greater, or less.</summary>
    private static void Beyond(string digits, bool up, Expression rest, List<Expression> options, string before)
    {
        for (int i = 0; i < digits.Length; i++)
        {
            (char first, char last) = up ? ((char)(digits[i] + 1), '9') : ('0', (char)(digits[i] - 1));
            if (first > last)
                continue;
            // Of whole numbers as many digits follow as the bound has; of fractions any number (rest).
            Expression same = rest == Digits ? Expression.Empty : Digit.Times(digits.Length - 1 - i, digits.Length - 1 - i);
            options.Add(Expression.Then(Expression.Text(before + digits[..i]), new ByteRange((byte)first, (byte)last), same, rest));
        }
    }

    private static (string Whole, string Fraction) Split(decimal bound)
    {
        string[] parts = bound.ToString(CultureInfo.InvariantCulture).Split('.');
        return (parts[0], parts.Length > 1 ? parts[1].TrimEnd('0') : "");
    }
}
