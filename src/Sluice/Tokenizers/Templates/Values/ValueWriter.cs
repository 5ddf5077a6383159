using System.Globalization;
using System.Numerics;
using System.Text;
using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>Collects text, and writes values as Python's <c>str</c> and <c>repr</c> do.</summary>
internal sealed class ValueWriter(Budget budget)
{
    private readonly StringBuilder _text = new();

    /// <summary>A value's text: what <c>str</c> gives.</summary>
    public static string Text(object? value, Budget budget)
    {
        if (TemplateValue.TryText(value, out string text))
            return text;
        ValueWriter writer = new(budget);
        writer.WriteText(value);
        return writer.ToString();
    }

    /// <summary>A value as one would write it: what <c>repr</c> gives.</summary>
    public static string Repr(object? value, Budget budget)
    {
        ValueWriter writer = new(budget);
        writer.WriteRepr(value);
        return writer.ToString();
    }

    public void Write(string text)
    {
        budget.ChargeText(_text.Length + (long)text.Length, text.Length);
        _text.Append(text);
    }

    /// <summary>Writes a value as <c>str</c>: texts as they are, what is undefined as nothing.</summary>
    public void WriteText(object? value)
    {
        if (TemplateValue.TryText(value, out string text))
            Write(text);
        else if (value is not Undefined)
            WriteRepr(value);
    }

    /// <summary>Writes a value as <c>repr</c>: as one would write it in Python.</summary>
    public void WriteRepr(object? value)
    {
        switch (value)
        {
            case null:
                Write("None");
                break;
            case bool truth:
                Write(truth ? "True" : "False");
                break;
            case long number:
                Write(number.ToString(CultureInfo.InvariantCulture));
                break;
            case BigInteger number:
                Write(number.ToString(CultureInfo.InvariantCulture));
                break;
            case double number:
                Write(FloatText.Repr(number));
                break;
            case string text:
                WriteQuoted(text);
                break;
            case Markup markup:
                Write("Markup(");
                WriteQuoted(markup.Text);
                Write(")");
                break;
            case TemplateObject other:
                budget.Enter();
                other.WriteRepr(this);
                budget.Leave();
                break;
        }
    }

    public override string ToString() => budget.Text(_text.ToString());

    // In single quotes, unless that would need escaping and double quotes would not.
    private void WriteQuoted(string text)
    {
        char quote = text.Contains('\'') && !text.Contains('"') ? '"' : '\'';
        StringBuilder quoted = new(text.Length + 2);
        quoted.Append(quote);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            int length = CodePoints.LengthAt(text, i);
            int code = length == 2 ? char.ConvertToUtf32(c, text[i + 1]) : c;
            _ = c switch
            {
                '\n' => quoted.Append(@"\n"),
                '\r' => quoted.Append(@"\r"),
                '\t' => quoted.Append(@"\t"),
                '\\' => quoted.Append(@"\\"),
                _ when c == quote => quoted.Append('\\').Append(c),
                _ when IsPrintable(code) => quoted.Append(text, i, length),
                _ => quoted.Append(EscapeCode(code)),
            };
            i += length - 1;
        }
        Write(quoted.Append(quote).ToString());
    }

    /// <summary>Whether Python shows a character as it is.</summary>
    public static bool IsPrintable(int code) => code == ' ' || CharUnicodeInfo.GetUnicodeCategory(code) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
        or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
        or UnicodeCategory.SpaceSeparator);

    private static string EscapeCode(int code) =>
        code <= 0xFF ? $"\\x{code:x2}" : code <= 0xFFFF ? $"\\u{code:x4}" : $"\\U{code:x8}";
}
