using System.Globalization;
using System.Numerics;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Filters that give numbers, or their texts.</summary>
internal static class NumberFilters
{
    public static void AddTo(FunctionTable table)
    {
        table.Add("int", ToInteger, ("default", 0L), ("base", 10L));
        table.Add("float", ToFloat, ("default", 0.0));
        table.Add("abs", (_, value, _) => Absolute(value));
        table.Add("round", Round, ("precision", 0L), ("method", "common"));
        table.Add("sum", Sum, ("attribute", null), ("start", 0L));
        table.Add("filesizeformat", FileSize, ("binary", false));
    }

    private static object? ToInteger(Renderer renderer, object? value, object?[] arguments)
    {
        if (value is Undefined undefined)
            throw undefined.Failure();
        if (Number.TryInteger(value, out BigInteger integer))
            return Number.Of(integer);
        double number = value is double given ? given : double.NaN;
        if (TemplateValue.TryText(value, out string text))
        {
            if (NumberText.TryInteger(text, Argument.Integer(arguments[1]), out integer))
                return Number.Of(integer);
            if (!NumberText.TryFloat(text, out number))
                number = double.NaN;
        }
        else if (double.IsInfinity(number))
        {
            throw new TemplateException("cannot convert float infinity to integer");
        }
        return double.IsFinite(number) ? Number.Of(new BigInteger(number)) : arguments[0];
    }

    private static object? ToFloat(Renderer renderer, object? value, object?[] arguments)
    {
        if (value is Undefined undefined)
            throw undefined.Failure();
        if (Number.IsNumber(value))
            return Number.ToDouble(value);
        return TemplateValue.TryText(value, out string text) && NumberText.TryFloat(text, out double number) ? number : arguments[0];
    }

    private static object Absolute(object? value)
    {
        if (Number.TryInteger(value, out BigInteger integer))
            return Number.Of(BigInteger.Abs(integer));
        if (value is double number)
            return Math.Abs(number);
        throw (value as Undefined)?.Failure()
            ?? new TemplateException($"bad operand type for abs(): '{TemplateValue.TypeName(value)}'");
    }

    private static object? Round(Renderer renderer, object? value, object?[] arguments)
    {
        int precision = Argument.Integer(arguments[0]);
        string method = ValueWriter.Text(arguments[1], renderer.Budget);
        if (method is not ("common" or "ceil" or "floor"))
            throw new TemplateException("method must be common, ceil or floor");
        if (value is Undefined undefined)
            throw undefined.Failure();
        if (!Number.IsNumber(value))
            throw new TemplateException($"type {TemplateValue.TypeName(value)} doesn't define __round__ method");
        if (method == "common" && Number.TryInteger(value, out BigInteger integer))
            return Number.Of(RoundInteger(integer, precision));
        double number = Number.ToDouble(value);
        if (method == "common")
            return FloatText.Round(number, precision);
        double scale = Math.Pow(10, precision), scaled = number * scale;
        if (!double.IsFinite(scaled) || scale == 0)
            throw new TemplateException($"cannot round {FloatText.Repr(number)} to {precision} digits");
        return (method == "ceil" ? Math.Ceiling(scaled) : Math.Floor(scaled)) / scale;
    }

    private static BigInteger RoundInteger(BigInteger value, int digits)
    {
        if (digits >= 0)
            return value;
        if (digits < -5000)
            return 0;
        BigInteger unit = BigInteger.Pow(10, -digits);
        BigInteger quotient = BigInteger.DivRem(BigInteger.Abs(value), unit, out BigInteger remainder);
        int half = (remainder * 2).CompareTo(unit);
        return (half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient) * unit * value.Sign;
    }

    private static object? Sum(Renderer renderer, object? value, object?[] arguments)
    {
        object? sum = arguments[1];
        if (TemplateValue.TryText(sum, out _))
            throw new TemplateException("sum() can't sum strings [use ''.join(seq) instead]");
        Func<object?, object?> part = ItemKey.Of(arguments[0], renderer.Budget);
        foreach (object? item in TemplateValue.Iterate(value))
        {
            renderer.Budget.Charge(1);
            sum = Arithmetic.Apply("+", sum, part(item), renderer.Budget);
        }
        return sum;
    }

    private static object? FileSize(Renderer renderer, object? value, object?[] arguments)
    {
        bool binary = TemplateValue.IsTrue(arguments[0]);
        double bytes = TemplateValue.TryText(value, out string text) && NumberText.TryFloat(text, out double read)
            ? read
            : Number.ToDouble(value);
        double unit = binary ? 1024 : 1000;
        if (bytes == 1)
            return "1 Byte";
        if (bytes < unit)
            return $"{Math.Truncate(bytes).ToString("F0", CultureInfo.InvariantCulture)} Bytes";
        string[] names = binary
            ? ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"]
            : ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
        int power = 0;
        double size = unit;
        while (power < names.Length - 1 && bytes >= size * unit)
        {
            size *= unit;
            power++;
        }
        return $"{FloatText.Fixed(bytes / size, 1)} {names[power]}";
    }
}
