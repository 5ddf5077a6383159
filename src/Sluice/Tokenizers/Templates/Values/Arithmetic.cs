using System.Numerics;
using Sluice.Tokenizers.Templates.Functions;
using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>The operators <c>+ - * / // % **</c>, as Python defines them for numbers, texts, lists and tuples.</summary>
internal static class Arithmetic
{
    private const int MaxExponent = 16384;

    public static object? Apply(string name, object? x, object? y, Budget budget)
    {
        if (Number.TryInteger(x, out BigInteger a) && Number.TryInteger(y, out BigInteger b))
            return Integers(name, a, b, budget);
        if (Number.IsNumber(x) && Number.IsNumber(y))
            return Floats(name, Number.ToDouble(x), Number.ToDouble(y));
        if (name == "%" && TemplateValue.TryText(x, out string format))
            return PercentFormat.Apply(x, format, y, budget);
        if ((x as Undefined ?? y as Undefined) is { } undefined)
            throw undefined.Failure();
        return name switch
        {
            "+" => Concatenate(x, y, budget),
            "*" when Number.TryInteger(y, out b) && IsSequence(x) => Repeat(x, b, budget),
            "*" when Number.TryInteger(x, out a) && IsSequence(y) => Repeat(y, a, budget),
            _ => throw Unsupported(name, x, y),
        };
    }

    public static object Sign(string sign, object? value)
    {
        if (Number.TryInteger(value, out BigInteger integer))
            return Number.Of(sign == "-" ? -integer : integer);
        if (value is double number)
            return sign == "-" ? -number : number;
        throw (value as Undefined)?.Failure()
            ?? new TemplateException($"bad operand type for unary {sign}: '{TemplateValue.TypeName(value)}'");
    }

    private static object Integers(string name, BigInteger x, BigInteger y, Budget budget)
    {
        switch (name)
        {
            case "+":
                return Number.Of(x + y);
            case "-":
                return Number.Of(x - y);
            case "*":
                budget.Charge(x.GetBitLength() * y.GetBitLength() / 4096);
                return Number.Of(x * y);
            case "/":
                return y.IsZero ? throw ByZero("division by zero") : Number.ToDouble(Number.Of(x)) / Number.ToDouble(Number.Of(y));
            case "//" or "%":
                if (y.IsZero)
                    throw ByZero("integer division or modulo by zero");
                budget.Charge(x.GetBitLength() * y.GetBitLength() / 4096);
                BigInteger quotient = BigInteger.DivRem(x, y, out BigInteger remainder);
                // Python rounds down; the remainder has the divisor's sign.
                bool isBelow = !remainder.IsZero && remainder.Sign != y.Sign;
                return name == "%" ? Number.Of(isBelow ? remainder + y : remainder) : Number.Of(isBelow ? quotient - 1 : quotient);
            default:
                return Power(x, y, budget);
        }
    }

    private static object Power(BigInteger x, BigInteger y, Budget budget)
    {
        if (y.Sign < 0)
            return Floats("**", Number.ToDouble(Number.Of(x)), Number.ToDouble(Number.Of(y)));
        if (x.IsZero || x.IsOne)
            return y.IsZero ? 1L : Number.Of(x);
        if (x == BigInteger.MinusOne)
            return y.IsEven ? 1L : -1L;
        if (y > MaxExponent || x.GetBitLength() * (long)y > 2 * MaxExponent)
            throw new TemplateException("an integer is too large");
        budget.Charge(256);
        return Number.Of(BigInteger.Pow(x, (int)y));
    }

    private static object Floats(string name, double x, double y)
    {
        if (y == 0 && name is ("/" or "//" or "%"))
            throw ByZero(name == "/" ? "float division by zero" : "float floor division or modulo by zero");
        return name switch
        {
            "+" => x + y,
            "-" => x - y,
            "*" => x * y,
            "/" => x / y,
            "//" => Math.Floor((x - Modulo(x, y)) / y),
            "%" => Modulo(x, y),
            _ => Power(x, y),
        };
    }

    private static double Modulo(double x, double y)
    {
        double remainder = x % y;
        if (remainder == 0)
            return Math.CopySign(0, y);
        return remainder < 0 != y < 0 ? remainder + y : remainder;
    }

    private static double Power(double x, double y)
    {
        if (x == 0 && y < 0)
            throw ByZero("0.0 cannot be raised to a negative power");
        double result = Math.Pow(x, y);
        if (double.IsInfinity(result) && double.IsFinite(x) && double.IsFinite(y))
            throw new TemplateException("Numerical result out of range");
        if (double.IsNaN(result) && double.IsFinite(x) && double.IsFinite(y))
            throw new TemplateException("complex numbers are not supported");
        return result;
    }

    private static object Concatenate(object? x, object? y, Budget budget)
    {
        if (TemplateValue.TryText(x, out string left) && TemplateValue.TryText(y, out string right))
        {
            budget.ChargeText((long)left.Length + right.Length);
            if (x is not Markup && y is not Markup)
                return left + right;
            left = x is Markup ? left : Markup.Escape(left);
            right = y is Markup ? right : Markup.Escape(right);
            return new Markup(budget.Text(left + right));
        }
        if (x is SequenceValue first && y is SequenceValue second && first.GetType() == second.GetType())
        {
            budget.ChargeList((long)first.Items.Length + second.Items.Length);
            return first.With([.. first.Items, .. second.Items]);
        }
        if (IsSequence(x))
        {
            string type = TemplateValue.TypeName(x);
            throw new TemplateException($"can only concatenate {type} (not \"{TemplateValue.TypeName(y)}\") to {type}");
        }
        throw Unsupported("+", x, y);
    }

    private static bool IsSequence(object? value) => value is SequenceValue || TemplateValue.TryText(value, out _);

    private static object Repeat(object? value, BigInteger times, Budget budget)
    {
        long length = TemplateValue.TryText(value, out string text) ? text.Length : ((SequenceValue)value!).Items.Length;
        int count = length == 0 ? 0 : (int)BigInteger.Clamp(times, 0, int.MaxValue);
        if (value is SequenceValue sequence)
        {
            budget.ChargeList(length * count);
            object?[] items = new object?[length * count];
            for (int i = 0; i < count; i++)
                sequence.Items.CopyTo(items, i * (int)length);
            return sequence.With(items);
        }
        budget.ChargeText(length * count);
        string result = string.Concat(Enumerable.Repeat(text, count));
        return value is Markup ? new Markup(result) : result;
    }

    private static TemplateException ByZero(string reason) => new(reason);

    private static TemplateException Unsupported(string name, object? x, object? y) =>
        new($"unsupported operand type(s) for {name}: '{TemplateValue.TypeName(x)}' and '{TemplateValue.TypeName(y)}'");
}
