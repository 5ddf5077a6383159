using System.Globalization;
using System.Text;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary><c>"{} is {name!r:&gt;10}".format(...)</c></summary>
internal sealed class TextFormat(CallArguments arguments, Budget budget)
{
    private int _next; // the field that {} stands for; -1 once fields have numbers

    public static string Apply(string format, CallArguments arguments, Budget budget) =>
        new TextFormat(arguments, budget).Run(format, depth: 2);

    private string Run(string format, int depth)
    {
        if (depth == 0)
            throw new TemplateException("Max string recursion exceeded");
        ValueWriter result = new(budget);
        int position = 0;
        while (position < format.Length)
        {
            int brace = format.AsSpan(position).IndexOfAny('{', '}');
            if (brace < 0)
                break;
            brace += position;
            result.Write(format[position..brace]);
            position = brace + 1;
            if (position < format.Length && format[position] == format[brace])
            {
                result.Write(format[brace].ToString());
                position++;
                continue;
            }
            if (format[brace] == '}')
                throw new TemplateException("Single '}' encountered in format string");
            int end = FieldEnd(format, position);
            result.Write(Field(format[position..end], depth));
            position = end + 1;
        }
        result.Write(format[position..]);
        return result.ToString();
    }

    private static int FieldEnd(string format, int position)
    {
        int depth = 1;
        for (; position < format.Length; position++)
        {
            depth += format[position] == '{' ? 1 : format[position] == '}' ? -1 : 0;
            if (depth == 0)
                return position;
        }
        throw new TemplateException("expected '}' before end of string");
    }

    private string Field(string field, int depth)
    {
        int nameEnd = field.AsSpan().IndexOfAny(':', '!');
        string name = nameEnd < 0 ? field : field[..nameEnd];
        string rest = nameEnd < 0 ? "" : field[nameEnd..];
        object? value = Find(name);
        if (rest.StartsWith('!'))
        {
            if (rest.Length < 2 || (rest.Length > 2 && rest[2] != ':'))
                throw new TemplateException("expected ':' after conversion specifier");
            value = rest[1] switch
            {
                's' => ValueWriter.Text(value, budget),
                'r' or 'a' => ValueWriter.Repr(value, budget),
                _ => throw new TemplateException($"Unknown conversion specifier {rest[1]}"),
            };
            rest = rest[2..];
        }
        string spec = rest.Length > 0 ? Run(rest[1..], depth - 1) : "";
        return spec.Length == 0 ? ValueWriter.Text(value, budget) : FormatSpec.Parse(spec).Format(value, budget);
    }

    private object? Find(string name)
    {
        int end = name.AsSpan().IndexOfAny('.', '[');
        string first = end < 0 ? name : name[..end];
        object? value = First(first);
        int position = end < 0 ? name.Length : end;
        while (position < name.Length)
        {
            if (name[position] == '.')
            {
                int stop = name.AsSpan(position + 1).IndexOfAny('.', '[');
                stop = stop < 0 ? name.Length : stop + position + 1;
                value = Access.Attribute(value, NotEmpty(name[(position + 1)..stop]), budget);
                position = stop;
                continue;
            }
            int close = name.IndexOf(']', position);
            if (name[position] != '[' || close < 0)
                throw new TemplateException("Only '.' or '[' may follow ']' in format field specifier");
            string key = NotEmpty(name[(position + 1)..close]);
            value = Access.Element(value, TryNumber(key, out long index) ? index : key, budget);
            position = close + 1;
        }
        return value;
    }

    private object? First(string name)
    {
        if (name.Length == 0 || TryNumber(name, out _))
        {
            if (name.Length == 0 ? _next < 0 : _next > 0)
                throw new TemplateException("cannot switch between automatic field numbering and manual field specification");
            long index = name.Length == 0 ? _next++ : TryNumber(name, out long number) ? number : 0;
            _next = name.Length == 0 ? _next : -1;
            return index < arguments.Positional.Length
                ? arguments.Positional[index]
                : throw new TemplateException($"Replacement index {index} out of range for positional args tuple");
        }
        foreach ((string key, object? value) in arguments.Named)
        {
            if (key == name)
                return value;
        }
        throw new TemplateException($"no argument '{name}' for the format string");
    }

    private static bool TryNumber(string text, out long number) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && Ascii.IsValid(text);

    private static string NotEmpty(string name) =>
        name.Length > 0 ? name : throw new TemplateException("Empty attribute in format string");
}
