using System.Globalization;
using System.Text;

namespace Sluice.Tokenizers.Templates.Syntax;

/// <summary>What stands between the quotes of a string, with Python's escapes.</summary>
internal static class StringLiteral
{
    public static string Decode(ReadOnlySpan<char> text, int line)
    {
        if (!text.Contains('\\'))
            return text.ToString();
        StringBuilder result = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
                result.Append(text[i]);
            else
                i = Escape(text, i + 1, result, line);
        }
        return result.ToString();
    }

    /// <summary>Decodes what follows a backslash.</summary>
    /// <returns>Where its last character is.</returns>
    private static int Escape(ReadOnlySpan<char> text, int i, StringBuilder result, int line)
    {
        char c = text[i];
        switch (c)
        {
            case '\n':
                return i;
            case 'x':
                return Hex(text, i, 2, result, line);
            case 'u':
                return Hex(text, i, 4, result, line);
            case 'U':
                return Hex(text, i, 8, result, line);
            case 'N':
                throw new TemplateException(@"characters by name (\N{...}) are not supported", line);
            case >= '0' and <= '7':
                int value = 0, start = i;
                for (; i < text.Length && i < start + 3 && text[i] is >= '0' and <= '7'; i++)
                    value = (value * 8) + text[i] - '0';
                result.Append((char)value);
                return i - 1;
        }
        int index = "\\'\"abfnrtv".IndexOf(c);
        if (index >= 0)
            result.Append("\\'\"\a\b\f\n\r\t\v"[index]);
        else
            result.Append('\\').Append(c); // Python keeps what it does not know
        return i;
    }

    private static int Hex(ReadOnlySpan<char> text, int i, int digits, StringBuilder result, int line)
    {
        if (i + digits >= text.Length
            || !uint.TryParse(
                text.Slice(i + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value)
            || value > 0x10FFFF)
        {
            throw new TemplateException($"a \\{text[i]} escape needs {digits} hexadecimal digits of a character", line);
        }
        if (value > char.MaxValue)
            result.Append(char.ConvertFromUtf32((int)value));
        else
            result.Append((char)value);
        return i + digits;
    }
}
