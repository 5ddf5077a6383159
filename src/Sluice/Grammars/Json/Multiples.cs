using Sluice.Grammars.Machine;
using Sluice.Grammars.Syntax;

namespace Sluice.Grammars.Json;

/// <summary>Numbers that are multiples of another, by their digits.</summary>
internal static class Multiples
{
    private const int MostDivisor = 1000;

    private static readonly Expression Digit = new ByteRange((byte)'0', (byte)'9');

    /// <summary>Those of some numbers that are multiples of one; null where that is not supported.</summary>
    public static Expression? Of(Expression numbers, decimal divisor)
    {
        for (int places = 0; places <= 16; places++, divisor *= 10)
        {
            if (divisor == 1)
            {
                return Product.Both(numbers, Expression.Then(Expression.Text("-").Optional(), Digit.Times(1, int.MaxValue), places == 0
                    ? Expression.Empty : Expression.Then(Expression.Text("."), Digit.Times(1, places)).Optional()));
            }
            if (places == 0 && divisor is > 0 and <= MostDivisor && divisor == decimal.Floor(divisor))
                return Product.Both(numbers, OfWhole((int)divisor));
        }
        return null;
    }

    /// <summary>A rule for each remainder of the digits so far.</summary>
    private static Expression OfWhole(int divisor)
    {
        Rule[] remainders = [.. Enumerable.Range(0, divisor).Select(i => new Rule($"remainder {i}"))];
        for (int i = 0; i < divisor; i++)
        {
            List<Expression> options = i == 0 ? [Expression.Empty] : [];
            for (int digit = 0; digit < 10; digit++)
                options.Add(Expression.Then(Expression.Text($"{digit}"), new Call(remainders[((i * 10) + digit) % divisor])));
            remainders[i].Body = Expression.Any([.. options]);
        }
        Rule.Settle(remainders[0]);
        return Expression.Then(Expression.Text("-").Optional(), new Call(remainders[0]));
    }
}
