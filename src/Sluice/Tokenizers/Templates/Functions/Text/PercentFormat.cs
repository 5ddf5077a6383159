using System.Numerics;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary><c>"%s is %d" % (a, b)</c></summary>
internal sealed class PercentFormat
{
    private readonly string _format;
    private readonly object? _operand;
    private readonly object?[] _arguments;
    private readonly bool _isMarkup;
    private readonly Budget _budget;
    private readonly ValueWriter _result;
    private int _position;
    private int _used;

    private PercentFormat(string format, object? operand, bool isMarkup, Budget budget)
    {
        (_format, _operand, _isMarkup, _budget) = (format, operand, isMarkup, budget);
        _arguments = operand is TupleValue tuple ? tuple.Items : [operand];
        _result = new ValueWriter(budget);
    }

    /// <param name="text">The format as a value, which may be marked as safe: then what is put in is escaped.</param>
    /// <param name="format">The format's text.</param>
    /// <param name="operand">A tuple of values, a dictionary for <c>%(name)s</c>, or one value.</param>
    /// <param name="budget">Pays.</param>
    public static object Apply(object? text, string format, object? operand, Budget budget)
    {
        string result = new PercentFormat(format, operand, text is Markup, budget).Run();
        return text is Markup ? new Markup(result) : result;
    }

    private string Run()
    {
        while (_position < _format.Length)
        {
            int percent = _format.IndexOf('%', _position);
            if (percent < 0)
                percent = _format.Length;
            _result.Write(_format[_position..percent]);
            _position = percent + 1;
            if (percent < _format.Length)
                Field();
        }
        if (_used < _arguments.Length && _operand is not (DictValue or RangeValue or Undefined or SequenceValue and not TupleValue))
            throw new TemplateException("not all arguments converted during string formatting");
        return _result.ToString();
    }

    private void Field()
    {
        object? value = null;
        bool hasValue = false;
        if (At() == '(')
        {
            value = Named();
            hasValue = true;
        }
        FormatSpec spec = Flags();
        spec = Number(out int? width) && width is { } given
            ? spec with { Width = Math.Abs(given), Align = given < 0 ? '<' : spec.Align }
            : spec;
        if (At() == '.')
        {
            _position++;
            spec = spec with { Precision = Number(out int? precision) ? Math.Max(precision ?? 0, 0) : 0 };
        }
        while (At() is 'h' or 'l' or 'L')
            _position++;
        if (_position >= _format.Length)
            throw new TemplateException("incomplete format");
        char type = _format[_position++];
        if (type == '%')
        {
            _result.Write("%");
            return;
        }
        _result.Write(Convert(type, hasValue ? value : Next(), spec));
    }

    private string Convert(char type, object? value, FormatSpec spec)
    {
        switch (type)
        {
            case 's':
                return Right(spec).FormatText(Escaped(value), _budget);
            case 'r' or 'a':
                return Right(spec).FormatText(ValueWriter.Repr(value, _budget), _budget);
            case 'c' when TemplateValue.TryText(value, out string character) && CodePoints.Count(character) == 1:
                return Right(spec).FormatText(character, _budget);
            case 'c':
                return (Right(spec) with { Precision = null, Type = 'c' }).FormatNumber((long)Argument.Integer(value), _budget);
            case 'd' or 'i' or 'u':
                bool isFloat = value is double number && double.IsFinite(number);
                return Integer(isFloat ? Values.Number.Of(new BigInteger((double)value!)) : value, 'd', spec);
            case 'x' or 'X' or 'o':
                return Integer(value, type, spec);
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                if (value is Undefined undefined)
                    throw undefined.Failure();
                return (spec with { Type = type }).FormatNumber(Values.Number.ToDouble(value), _budget);
            default:
                throw new TemplateException($"unsupported format character '{type}'");
        }
    }

    /// <summary>An integer; a precision is the least number of digits.</summary>
    private string Integer(object? value, char type, FormatSpec spec)
    {
        if (value is Undefined undefined)
            throw undefined.Failure();
        if (!Values.Number.TryInteger(value, out BigInteger integer))
        {
            throw new TemplateException(
                $"%{type} format: {(type == 'd' ? "a real number" : "an integer")} is required, not {TemplateValue.TypeName(value)}");
        }
        if (spec.Precision is not { } least)
            return (spec with { Type = type }).FormatNumber(Values.Number.Of(integer), _budget);
        string digits = (new FormatSpec { Type = type }).FormatNumber(Values.Number.Of(BigInteger.Abs(integer)), _budget);
        string sign = integer.Sign < 0 ? "-" : spec.Sign == '-' ? "" : spec.Sign.ToString();
        string text = sign + Padding.Left(digits, least, "0", _budget);
        return (spec with { Precision = null, Align = spec.Align == '<' ? '<' : '>', Fill = " " }).FormatText(text, _budget);
    }

    private string Escaped(object? value)
    {
        string text = ValueWriter.Text(value, _budget);
        return _isMarkup && value is not Markup ? _budget.Text(Markup.Escape(text)) : text;
    }

    // With %, texts stand at the right, and zeros do not fill them.
    private static FormatSpec Right(FormatSpec spec) => spec with { Align = spec.Align == '<' ? '<' : '>', Fill = " " };

    private FormatSpec Flags()
    {
        FormatSpec spec = new();
        while (true)
        {
            switch (At())
            {
                case '-':
                    spec = spec with { Align = '<', Fill = " " };
                    break;
                case '0':
                    spec = spec.Align == '<' ? spec : spec with { Align = '=', Fill = "0" };
                    break;
                case '+':
                    spec = spec with { Sign = '+' };
                    break;
                case ' ':
                    spec = spec.Sign == '+' ? spec : spec with { Sign = ' ' };
                    break;
                case '#':
                    spec = spec with { IsAlternate = true };
                    break;
                default:
                    return spec;
            }
            _position++;
        }
    }

    private bool Number(out int? number)
    {
        number = null;
        if (At() == '*')
        {
            _position++;
            number = Argument.Integer(Next());
            return true;
        }
        int start = _position;
        while (char.IsAsciiDigit(At()))
            _position++;
        if (_position == start)
            return false;
        number = int.TryParse(_format.AsSpan(start, _position - start), out int value)
            ? value
            : throw new TemplateException("width too big");
        return true;
    }

    private object? Named()
    {
        int depth = 1, start = ++_position;
        for (; depth > 0; _position++)
        {
            if (_position >= _format.Length)
                throw new TemplateException("incomplete format key");
            depth += _format[_position] == '(' ? 1 : _format[_position] == ')' ? -1 : 0;
        }
        if (_operand is not DictValue dict)
            throw new TemplateException("format requires a mapping");
        string name = _format[start..(_position - 1)];
        return dict.TryGetName(name, out object? value) ? value : throw new TemplateException($"'{name}' is not in the mapping");
    }

    private object? Next() => _used < _arguments.Length
        ? _arguments[_used++]
        : throw new TemplateException("not enough arguments for format string");

    private char At() => _position < _format.Length ? _format[_position] : '\0';
}
