using System.Globalization;
using System.Numerics;
using System.Text;
using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>How JSON is laid out: what goes before elements on lines of their own, between elements, and after keys.</summary>
internal sealed record JsonStyle(string? Indent, string ItemSeparator, string KeySeparator, bool AsciiOnly, bool SortKeys);

/// <summary>JSON as Python's <c>json.dumps</c> writes it.</summary>
internal sealed class JsonText(JsonStyle style, Budget budget)
{
    private readonly ValueWriter _writer = new(budget);
    private int _level;

    public static string Of(object? value, JsonStyle style, Budget budget)
    {
        JsonText text = new(style, budget);
        text.Write(value);
        return text._writer.ToString();
    }

    private void Write(object? value)
    {
        switch (value)
        {
            case null or bool or long or BigInteger or double:
                _writer.Write(Scalar(value));
                break;
            case string text:
                WriteString(text);
                break;
            case Markup markup:
                WriteString(markup.Text);
                break;
            case SequenceValue sequence:
                WriteItems('[', sequence.Items, ']', Write);
                break;
            case DictValue dict:
                KeyValuePair<object?, object?>[] items = [.. dict.Items];
                if (style.SortKeys)
                    items = StableSort.Of(items, (x, y) => Ordering.Compare(x.Key, y.Key, budget));
                WriteItems('{', items, '}', WriteProperty);
                break;
            default:
                throw new TemplateException($"Object of type {TemplateValue.TypeName(value)} is not JSON serializable");
        }
    }

    private void WriteItems<T>(char open, T[] items, char close, Action<T> write)
    {
        if (items.Length == 0)
        {
            _writer.Write(open.ToString() + close);
            return;
        }
        budget.Enter();
        _writer.Write(open.ToString());
        _level++;
        for (int i = 0; i < items.Length; i++)
        {
            if (i > 0)
                _writer.Write(style.ItemSeparator);
            BreakLine();
            write(items[i]);
        }
        _level--;
        BreakLine();
        _writer.Write(close.ToString());
        budget.Leave();
    }

    private void WriteProperty(KeyValuePair<object?, object?> item)
    {
        if (TemplateValue.TryText(item.Key, out string name))
            WriteString(name);
        else if (item.Key is null or bool or long or BigInteger or double)
            WriteString(Scalar(item.Key));
        else
            throw new TemplateException($"keys must be str, int, float, bool or None, not {TemplateValue.TypeName(item.Key)}");
        _writer.Write(style.KeySeparator);
        Write(item.Value);
    }

    private void BreakLine()
    {
        if (style.Indent is null)
            return;
        _writer.Write("\n");
        for (int i = 0; i < _level; i++)
            _writer.Write(style.Indent);
    }

    private static string Scalar(object? value) => value switch
    {
        null => "null",
        bool truth => truth ? "true" : "false",
        double number when !double.IsFinite(number) =>
            double.IsNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity",
        double number => FloatText.Repr(number),
        _ => ((IFormattable)value).ToString(null, CultureInfo.InvariantCulture),
    };

    private void WriteString(string text)
    {
        StringBuilder quoted = new(text.Length + 2);
        quoted.Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => quoted.Append("\\\""),
                '\\' => quoted.Append(@"\\"),
                '\n' => quoted.Append(@"\n"),
                '\r' => quoted.Append(@"\r"),
                '\t' => quoted.Append(@"\t"),
                '\f' => quoted.Append(@"\f"),
                '\b' => quoted.Append(@"\b"),
                < ' ' => quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                > '~' when style.AsciiOnly => quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => quoted.Append(c),
            };
        }
        _writer.Write(quoted.Append('"').ToString());
    }
}
