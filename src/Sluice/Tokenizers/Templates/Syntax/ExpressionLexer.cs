using System.Globalization;
using System.Numerics;

namespace Sluice.Tokenizers.Templates.Syntax;

/// <summary>The tokens inside of a tag: names, numbers, strings, operators.</summary>
internal sealed class ExpressionLexer(string source, List<Token> tokens)
{
    private static readonly string[] Operators =
    [
        "//", "**", "==", "!=", ">=", "<=",
        "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";",
    ];

    private readonly Stack<char> _open = new();
    private int _position;
    private int _line;

    /// <summary>Adds the tokens up to a tag's end.</summary>
    /// <returns>Where the end is, including its sign.</returns>
    public int Read(int position, int line, string end)
    {
        (_position, _line) = (position, line);
        _open.Clear();
        while (_position < source.Length)
        {
            char c = source[_position];
            if (_open.Count == 0 && IsEnd(end))
                return _position;
            if (Space.Is(c))
                Skip(c);
            else if (char.IsAsciiDigit(c))
                ReadNumber();
            else if (IsNamePart(_position))
                ReadName();
            else if (c is '"' or '\'')
                ReadString(c);
            else
                ReadOperator();
        }
        throw new TemplateException($"unexpected end of template, expected '{end}'", line);
    }

    private bool IsEnd(string end)
    {
        int sign = source[_position] == '-' || (source[_position] == '+' && end == "%}") ? 1 : 0;
        return string.CompareOrdinal(source, _position + sign, end, 0, end.Length) == 0;
    }

    private void Skip(char c)
    {
        if (c == '\n')
            _line++;
        _position++;
    }

    private void ReadName()
    {
        int start = _position;
        while (IsNamePart(_position))
            _position += char.IsHighSurrogate(source[_position]) ? 2 : 1;
        tokens.Add(new Token(TokenKind.Name, source[start.._position], _line));
    }

    private bool IsNamePart(int i)
    {
        if (i >= source.Length)
            return false;
        if (char.IsAscii(source[i]))
            return char.IsAsciiLetterOrDigit(source[i]) || source[i] == '_';
        return CharUnicodeInfo.GetUnicodeCategory(source, i) is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter
            or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter
            or UnicodeCategory.LetterNumber or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
            or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation;
    }

    private void ReadNumber()
    {
        int start = _position;
        if (source[start] == '0' && start + 1 < source.Length && Radix(source[start + 1]) is var radix and > 0
            && TryRadix(start + 2, radix, out int end))
        {
            AddInteger(source.AsSpan(start + 2, end - start - 2), radix, end);
            return;
        }
        int whole = Digits(start);
        int last = whole;
        // A dot makes a fraction only if digits follow, and not in foo.0.1.
        bool afterDot = start > 0 && source[start - 1] == '.';
        if (!afterDot && At(last) == '.' && char.IsAsciiDigit(At(last + 1)))
            last = Digits(last + 1);
        if (!afterDot && At(last) is 'e' or 'E')
        {
            int exponent = last + (At(last + 1) is '+' or '-' ? 2 : 1);
            if (char.IsAsciiDigit(At(exponent)))
                last = Digits(exponent);
        }
        if (last == whole)
        {
            // Python has no octal numbers that look decimal: 07 is 0 and then 7.
            while (source[start] == '0' && whole - start > 1 && source.AsSpan(start, whole - start).ContainsAnyExcept('0', '_'))
                whole--;
            AddInteger(source.AsSpan(start, whole - start), 10, whole);
            return;
        }
        double value = double.Parse(source[start..last].Replace("_", ""), NumberStyles.Float, CultureInfo.InvariantCulture);
        tokens.Add(new Token(TokenKind.Float, "", _line, value));
        _position = last;
    }

    private static int Radix(char letter) => letter switch
    {
        'x' or 'X' => 16,
        'o' or 'O' => 8,
        'b' or 'B' => 2,
        _ => 0,
    };

    private bool TryRadix(int start, int radix, out int end)
    {
        end = start;
        while (IsDigit(At(end), radix) || (At(end) == '_' && IsDigit(At(end + 1), radix)))
            end++;
        return end > start;
    }

    private static bool IsDigit(char c, int radix) => char.IsAsciiHexDigit(c) && Convert.ToInt32(c.ToString(), 16) < radix;

    private int Digits(int i)
    {
        while (char.IsAsciiDigit(At(i)) || (At(i) == '_' && char.IsAsciiDigit(At(i + 1)) && i > 0 && char.IsAsciiDigit(At(i - 1))))
            i++;
        return i;
    }

    private void AddInteger(ReadOnlySpan<char> digits, int radix, int end)
    {
        const int most = 4300; // as Python's limit on the digits of an integer
        if (digits.Length > most)
            throw new TemplateException($"a number has more than {most} digits", _line);
        BigInteger value = 0;
        foreach (char c in digits)
        {
            if (c != '_')
                value = (value * radix) + Convert.ToInt32(c.ToString(), 16);
        }
        tokens.Add(new Token(TokenKind.Integer, "", _line, Token.Integer(value)));
        _position = end;
    }

    private void ReadString(char quote)
    {
        int end = _position + 1;
        while (At(end) != quote)
        {
            if (end >= source.Length)
                throw new TemplateException($"unexpected char {quote}: the string does not end", _line);
            end += source[end] == '\\' ? 2 : 1;
        }
        ReadOnlySpan<char> text = source.AsSpan(_position + 1, end - _position - 1);
        tokens.Add(new Token(TokenKind.Text, StringLiteral.Decode(text, _line), _line));
        _line += text.Count('\n');
        _position = end + 1;
    }

    private void ReadOperator()
    {
        foreach (string text in Operators)
        {
            if (string.CompareOrdinal(source, _position, text, 0, text.Length) != 0)
                continue;
            Balance(text);
            tokens.Add(new Token(TokenKind.Operator, text, _line));
            _position += text.Length;
            return;
        }
        // "!" alone included.
        throw new TemplateException($"unexpected char '{source[_position]}'", _line);
    }

    private void Balance(string text)
    {
        switch (text)
        {
            case "(":
                _open.Push(')');
                break;
            case "[":
                _open.Push(']');
                break;
            case "{":
                _open.Push('}');
                break;
            case ")" or "]" or "}":
                if (!_open.TryPop(out char expected))
                    throw new TemplateException($"unexpected '{text}'", _line);
                if (expected != text[0])
                    throw new TemplateException($"unexpected '{text}', expected '{expected}'", _line);
                break;
        }
    }

    private char At(int i) => i < source.Length ? source[i] : '\0';
}
