namespace Sluice.Tokenizers.Templates.Syntax;

/// <summary>
/// Splits a template into text and tags, with Jinja's whitespace rules as Hugging Face sets them: a block's or comment's line
/// break is dropped (<c>trim_blocks</c>), so is the space before a block or comment that begins a line (<c>lstrip_blocks</c>),
/// and the template's last line break. <c>-</c> at a tag strips all space on that side, <c>+</c> none.
/// </summary>
internal sealed class Lexer
{
    private readonly string _source;
    private readonly List<Token> _tokens = [];
    private readonly ExpressionLexer _expressions;
    private int _position;
    private int _line = 1;
    private int _counted; // up to where line breaks are counted in _line
    private bool _lineStarts = true; // whether what was read last ended a line

    private Lexer(string source)
    {
        _source = source;
        _expressions = new ExpressionLexer(source, _tokens);
    }

    /// <summary>The tokens, the last of which is <see cref="TokenKind.End"/>.</summary>
    /// <exception cref="TemplateException">A tag, a string or a bracket does not end, or a character belongs nowhere.</exception>
    public static List<Token> Read(string source)
    {
        source = source.Replace("\r\n", "\n").Replace('\r', '\n');
        if (source.EndsWith('\n'))
            source = source[..^1];
        Lexer lexer = new(source);
        while (lexer.Next())
        {
        }
        return lexer._tokens;
    }

    /// <summary>Reads the text before the next tag, and the tag.</summary>
    private bool Next()
    {
        int start = FindTag();
        if (start < 0)
        {
            AddData(_source.AsSpan(_position));
            _tokens.Add(new Token(TokenKind.End, "", LineAt(_source.Length)));
            return false;
        }
        char kind = _source[start + 1];
        int inside = start + 2;
        char sign = At(inside) is '-' or '+' ? _source[inside++] : ' ';
        AddData(TextBefore(start, kind, sign));
        int line = LineAt(start);
        _position = inside;
        switch (kind)
        {
            case '#':
                SkipComment(line);
                break;
            case '%' when TryRaw(line):
                break;
            case '%':
                _tokens.Add(new Token(TokenKind.BlockBegin, "", line));
                _position = _expressions.Read(_position, line, "%}");
                _tokens.Add(new Token(TokenKind.BlockEnd, "", LineAt(_position)));
                EndTag(_source[_position], mayTrim: true);
                break;
            default:
                _tokens.Add(new Token(TokenKind.VariableBegin, "", line));
                _position = _expressions.Read(_position, line, "}}");
                _tokens.Add(new Token(TokenKind.VariableEnd, "", LineAt(_position)));
                EndTag(_source[_position], mayTrim: false);
                break;
        }
        return true;
    }

    private int FindTag()
    {
        for (int i = _position; (i = _source.IndexOf('{', i)) >= 0; i++)
        {
            if (At(i + 1) is '{' or '%' or '#')
                return i;
        }
        return -1;
    }

    private ReadOnlySpan<char> TextBefore(int tag, char kind, char sign)
    {
        ReadOnlySpan<char> text = _source.AsSpan(_position, tag - _position);
        if (sign == '-')
            return TrimEnd(text);
        if (sign == '+' || kind == '{')
            return text;
        int line = text.LastIndexOf('\n') + 1;
        return (line > 0 || _lineStarts) && TrimEnd(text[line..]).IsEmpty ? text[..line] : text;
    }

    private void SkipComment(int line)
    {
        int end = _source.IndexOf("#}", _position, StringComparison.Ordinal);
        if (end < 0)
            throw new TemplateException("Missing end of comment tag", line);
        char sign = end > _position ? _source[end - 1] : ' ';
        _position = sign is '-' or '+' ? end - 1 : end;
        EndTag(sign, mayTrim: true);
    }

    /// <summary>Reads <c>{% raw %}</c> up to <c>{% endraw %}</c> as text, if that is what begins here.</summary>
    private bool TryRaw(int line)
    {
        int end = _position;
        if (!TryTag(ref end, "raw"))
            return false;
        _position = end;
        EndTag(_source[_position], mayTrim: false);
        if (_position == _source.Length)
            return true; // as Jinja2 has it
        for (int i = _position; (i = _source.IndexOf("{%", i, StringComparison.Ordinal)) >= 0; i++)
        {
            int inside = i + 2;
            char sign = At(inside) is '-' or '+' ? _source[inside++] : ' ';
            if (!TryTag(ref inside, "endraw"))
                continue;
            AddData(TextBefore(i, '%', sign));
            _position = inside;
            EndTag(_source[_position], mayTrim: true);
            return true;
        }
        throw new TemplateException("Missing end of raw directive", line);
    }

    /// <summary>Whether a block with nothing but a name ends here; moves to its closing sign.</summary>
    private bool TryTag(ref int position, string name)
    {
        int i = SkipSpace(position);
        if (string.CompareOrdinal(_source, i, name, 0, name.Length) != 0)
            return false;
        i = SkipSpace(i + name.Length);
        position = i;
        if (At(i) == '-' || (At(i) == '+' && name == "endraw"))
            i++;
        return At(i) == '%' && At(i + 1) == '}';
    }

    /// <summary>Goes past a tag's end: an optional sign, two characters, and the space that belongs to it.</summary>
    private void EndTag(char sign, bool mayTrim)
    {
        _position += sign is '-' or '+' ? 3 : 2;
        if (sign == '-')
            _position = SkipSpace(_position);
        else if (mayTrim && sign != '+' && At(_position) == '\n')
            _position++;
        _lineStarts = _source[_position - 1] == '\n';
    }

    private void AddData(ReadOnlySpan<char> text)
    {
        if (!text.IsEmpty)
            _tokens.Add(new Token(TokenKind.Data, text.ToString(), LineAt(_position)));
    }

    private int SkipSpace(int position)
    {
        while (position < _source.Length && Space.Is(_source[position]))
            position++;
        return position;
    }

    private static ReadOnlySpan<char> TrimEnd(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty && Space.Is(text[^1]))
            text = text[..^1];
        return text;
    }

    private char At(int position) => position < _source.Length ? _source[position] : '\0';

    private int LineAt(int position)
    {
        for (; _counted < position; _counted++)
        {
            if (_source[_counted] == '\n')
                _line++;
        }
        return _line;
    }
}
