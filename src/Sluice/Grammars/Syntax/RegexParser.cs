using System.Globalization;

namespace Sluice.Grammars.Syntax;

/// <summary>Reads regular expressions (ECMAScript's, as JSON Schema wants them). What is not regular is refused by its name.</summary>
internal sealed class RegexParser
{
    private static readonly CodePoints Digits = CodePoints.Of(('0', '9'));
    private static readonly CodePoints WordCharacters = CodePoints.Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));
    private static readonly CodePoints Spaces = CodePoints.Of(
        ('\t', '\r'), (' ', ' '), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F),
        (0x3000, 0x3000), (0xFEFF, 0xFEFF));
    private static readonly CodePoints LineEnds = CodePoints.Of(('\n', '\n'), ('\r', '\r'), (0x2028, 0x2029));

    // In the order of UnicodeCategory.
    private static readonly string[] CategoryNames =
    [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Pc", "Pd", "Ps", "Pe", "Pi",
        "Pf", "Po", "Sm", "Sc", "Sk", "So", "Cn",
    ];

    private static readonly Lazy<CodePoints[]> Categories = new(() =>
    {
        List<(int First, int Last)>[] ranges = [.. CategoryNames.Select(_ => new List<(int, int)>())];
        for (int i = 0; i <= CodePoints.Max; i++)
        {
            List<(int First, int Last)> own = ranges[(int)CharUnicodeInfo.GetUnicodeCategory(i)];
            if (own.Count > 0 && own[^1].Last == i - 1)
                own[^1] = (own[^1].First, i);
            else
                own.Add((i, i));
        }
        return [.. ranges.Select(own => CodePoints.Of([.. own]))];
    });

    private readonly SyntaxReader _reader;
    private readonly Func<CodePoints, Expression> _encode;
    private readonly Dictionary<string, Expression> _categories = []; // large ones, which patterns repeat

    private RegexParser(string pattern, Func<CodePoints, Expression> encode) =>
        (_reader, _encode) = (new SyntaxReader(pattern, "The pattern"), encode);

    /// <param name="pattern">The expression.</param>
    /// <param name="encode">How a character of a set is written.</param>
    /// <param name="isSearch">Whether a text matches that has a match in it, rather than one that is one.</param>
    /// <exception cref="GrammarException">It is malformed or not supported.</exception>
    public static Expression Parse(string pattern, Func<CodePoints, Expression> encode, bool isSearch)
    {
        RegexParser parser = new(pattern, encode);
        Expression result = parser.Whole(isSearch ? encode(CodePoints.All).Times(0, int.MaxValue) : Expression.Empty);
        return parser._reader.IsAtEnd ? result : throw parser._reader.Wrong("there is an unmatched ')'");
    }

    /// <summary>The alternatives of the whole pattern, which alone may have anchors.</summary>
    private Expression Whole(Expression around)
    {
        List<Expression> options = [];
        do
        {
            Expression before = _reader.Takes('^') ? Expression.Empty : around;
            Expression body = Sequence();
            options.Add(Expression.Then(before, body, _reader.Takes('$') ? Expression.Empty : around));
        }
        while (_reader.Takes('|'));
        return Expression.Any([.. options]);
    }

    private Expression Choice()
    {
        List<Expression> options = [];
        do
            options.Add(Sequence());
        while (_reader.Takes('|'));
        return Expression.Any([.. options]);
    }

    private Expression Sequence()
    {
        List<Expression> parts = [];
        while (!_reader.IsAtEnd && _reader.Source[_reader.Position] is not ('|' or ')' or '$'))
            parts.Add(Quantified(Atom()));
        return Expression.Then([.. parts]);
    }

    private Expression Quantified(Expression atom)
    {
        (int min, int max) = (1, 1);
        if (_reader.Takes('?'))
            (min, max) = (0, 1);
        else if (_reader.Takes('*'))
            (min, max) = (0, int.MaxValue);
        else if (_reader.Takes('+'))
            (min, max) = (1, int.MaxValue);
        else if (!Braces(out min, out max))
            return atom;
        _ = _reader.Takes('?'); // lazy or not, the same texts match
        if (_reader.Sees('+') || _reader.Sees('*') || _reader.Sees('?'))
            throw _reader.Wrong("a repetition of a repetition, or a possessive one, is not supported");
        return atom.Times(min, max);
    }

    // {n}, {n,} and {n,m}; anything else after a brace is the brace itself.
    private bool Braces(out int min, out int max)
    {
        int start = _reader.Position;
        (min, max) = (1, 1);
        if (_reader.Takes('{') && _reader.Count() is int from)
        {
            int? to = _reader.Takes(',') ? _reader.Count() ?? int.MaxValue : from;
            if (_reader.Takes('}'))
            {
                (min, max) = (from, to.Value);
                return min <= max ? true : throw _reader.Wrong("a repetition ends before it begins");
            }
        }
        _reader.Position = start;
        return false;
    }

    private Expression Atom()
    {
        if (_reader.Takes('('))
        {
            if (_reader.Takes("?<") && !_reader.Sees('=') && !_reader.Sees('!'))
                _reader.Position = _reader.Source.IndexOf('>', _reader.Position) is var end and >= 0 ? end + 1 : throw _reader.Wrong("a group's name has no end");
            else if (_reader.Sees('?') && !_reader.Takes("?:") || _reader.Source[_reader.Position - 1] == '<')
                throw _reader.Wrong("lookaround and groups with options are not supported");
            Expression body = _reader.Nested(Choice);
            return _reader.Takes(')') ? body : throw _reader.Wrong(
                _reader.Sees('$') ? "'$' is only supported at the end of the pattern" : "a group has no end");
        }
        if (_reader.Takes('['))
            return _encode(Class());
        if (_reader.Takes('.'))
            return _encode(LineEnds.Inverse);
        if (_reader.Sees('^'))
            throw _reader.Wrong("'^' is only supported at the beginning of the pattern");
        if (_reader.Sees('*') || _reader.Sees('+') || _reader.Sees('?'))
            throw _reader.Wrong("a repetition has nothing to repeat");
        if (_reader.Sees('\\') && _reader.Position + 1 < _reader.Source.Length && _reader.Source[_reader.Position + 1] is 'b' or 'B')
            throw _reader.Wrong("word boundaries are not supported");
        int start = _reader.Position;
        if (Shorthand() is not { } set)
            return _encode(CodePoints.One(Character(isClass: false)));
        string name = _reader.Source[start.._reader.Position];
        return _categories.TryGetValue(name, out Expression? known) ? known : _categories[name] = _encode(set);
    }

    private CodePoints Class()
    {
        bool isInverted = _reader.Takes('^');
        CodePoints set = CodePoints.Of();
        while (!_reader.Takes(']'))
        {
            CodePoints? shorthand = Shorthand();
            if (shorthand is not null)
            {
                set = set.With(shorthand);
                continue;
            }
            int first = Character(isClass: true), last = first;
            if (_reader.Sees('-') && _reader.Position + 1 < _reader.Source.Length && _reader.Source[_reader.Position + 1] != ']')
            {
                _reader.Position++;
                if (Shorthand() is { } other) // a-\d: the three of them
                {
                    set = set.With(CodePoints.Of((first, first), ('-', '-'))).With(other);
                    continue;
                }
                last = Character(isClass: true);
            }
            if (last < first)
                throw _reader.Wrong("a range ends before it begins");
            set = set.With(CodePoints.Of((first, last)));
        }
        return isInverted ? set.Inverse : set;
    }

    private CodePoints? Shorthand()
    {
        if (!_reader.Sees('\\') || _reader.Position + 1 >= _reader.Source.Length)
            return null;
        char letter = _reader.Source[_reader.Position + 1];
        CodePoints? set = letter switch
        {
            'd' or 'D' => Digits,
            'w' or 'W' => WordCharacters,
            's' or 'S' => Spaces,
            'p' or 'P' => Category(),
            _ => null,
        };
        if (set is null)
            return null;
        if (letter is not ('p' or 'P'))
            _reader.Position += 2;
        return char.IsAsciiLetterUpper(letter) ? set.Inverse : set;
    }

    /// <summary>\p{..} with the short name of a general category, as L or Lu.</summary>
    private CodePoints Category()
    {
        int end = _reader.Source.IndexOf('}', _reader.Position);
        string name = end > _reader.Position + 3 && _reader.Source[_reader.Position + 2] == '{' ? _reader.Source[(_reader.Position + 3)..end] : "";
        CodePoints[] sets = [.. CategoryNames.Index().Where(category => name.Length > 0 && category.Item.StartsWith(name, StringComparison.Ordinal))
            .Select(category => Categories.Value[category.Index])];
        if (sets.Length == 0)
            throw _reader.Wrong("only general categories by their short names are supported, as \\p{L} or \\p{Lu}");
        _reader.Position = end + 1;
        return sets.Aggregate((one, other) => one.With(other));
    }

    private int Character(bool isClass)
    {
        if (!_reader.Takes('\\'))
            return _reader.Character();
        int escaped = _reader.Character();
        switch (escaped)
        {
            case 'n': return '\n';
            case 'r': return '\r';
            case 't': return '\t';
            case 'f': return '\f';
            case 'v': return '\v';
            case 'b' when isClass: return '\b';
            case '0': return 0;
            case 'c' when !_reader.IsAtEnd && char.IsAsciiLetter(_reader.Source[_reader.Position]): return _reader.Character() & 31;
            case 'x': return _reader.Hex(2);
            case 'u' when _reader.Takes('{'):
                int value = _reader.Hex(_reader.Source.IndexOf('}', _reader.Position) - _reader.Position);
                _reader.Position++;
                return value;
            case 'u':
                int unit = _reader.Hex(4);
                return !char.IsSurrogate((char)unit) ? unit
                    : _reader.Takes("\\u") && char.IsSurrogatePair((char)unit, (char)_reader.Hex(4))
                        ? char.ConvertToUtf32((char)unit, (char)int.Parse(_reader.Source.AsSpan(_reader.Position - 4, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture))
                        : throw _reader.Wrong("there is half a surrogate pair");
            case < 128 when char.IsAsciiLetterOrDigit((char)escaped):
                throw _reader.Wrong($"'\\{(char)escaped}' is not supported");
            default: return escaped;
        }
    }
}
