namespace Sluice.Grammars.Syntax;

/// <summary>
/// Reads GBNF, the notation of llama.cpp's grammars: <c>name ::= "text" [a-z]+ (other | name){1,3} # comment</c>.
/// </summary>
internal sealed class GbnfParser
{
    private readonly SyntaxReader _reader;
    private readonly Dictionary<string, Rule> _rules = new(StringComparer.Ordinal);
    private readonly HashSet<string> _defined = new(StringComparer.Ordinal);

    private GbnfParser(string grammar) => _reader = new SyntaxReader(grammar, "The grammar");

    /// <exception cref="GrammarException">It is malformed, or a rule that is used is not there.</exception>
    public static Expression Parse(string grammar)
    {
        GbnfParser parser = new(grammar);
        parser.Space(acrossLines: true);
        while (!parser._reader.IsAtEnd)
            parser.Definition();
        if (parser._rules.Keys.FirstOrDefault(name => !parser._defined.Contains(name)) is { } missing)
            throw new GrammarException($"The grammar uses the rule '{missing}' and does not define it.");
        return parser._defined.Contains("root") ? new Call(parser.Named("root")) : throw new GrammarException("The grammar has no rule 'root'.");
    }

    private void Definition()
    {
        string name = Name() ?? throw _reader.Wrong("the name of a rule is expected");
        Space(acrossLines: false);
        if (!_reader.Takes("::="))
            throw _reader.Wrong("'::=' is expected");
        if (!_defined.Add(name))
            throw _reader.Wrong($"the rule '{name}' is defined twice");
        Space(acrossLines: true);
        Named(name).Body = Choice(isNested: false);
        if (!_reader.IsAtEnd && !_reader.Sees('\n') && !_reader.Sees('\r'))
            throw _reader.Wrong("the rule should end here");
        Space(acrossLines: true);
    }

    private Expression Choice(bool isNested)
    {
        List<Expression> options = [Sequence(isNested)];
        while (_reader.Takes('|'))
        {
            Space(acrossLines: true);
            options.Add(Sequence(isNested));
        }
        return Expression.Any([.. options]);
    }

    private Expression Sequence(bool isNested)
    {
        List<Expression> parts = [];
        while (Item() is { } item)
        {
            Space(isNested);
            parts.Add(Repeated(item, isNested));
        }
        return Expression.Then([.. parts]);
    }

    private Expression? Item()
    {
        if (_reader.Takes('"'))
        {
            System.Text.StringBuilder text = new();
            while (!_reader.Takes('"'))
                text.Append(new System.Text.Rune(Scalar()).ToString());
            return Expression.Text(text.ToString());
        }
        if (_reader.Takes('['))
            return Utf8Bytes.Of(Class());
        if (_reader.Takes('.'))
            return Utf8Bytes.Of(CodePoints.All);
        if (_reader.Takes('('))
        {
            Space(acrossLines: true);
            Expression body = _reader.Nested(() => Choice(isNested: true));
            return _reader.Takes(')') ? body : throw _reader.Wrong("a group has no end");
        }
        return Name() is { } name ? new Call(Named(name)) : null;
    }

    private Expression Repeated(Expression item, bool isNested)
    {
        for (int times = 0; ; times++)
        {
            (int min, int max) = (0, int.MaxValue);
            if (_reader.Takes('+'))
                min = 1;
            else if (_reader.Takes('?'))
                max = 1;
            else if (_reader.Takes('{'))
            {
                Space(isNested);
                min = _reader.Count() ?? throw _reader.Wrong("a number of repetitions is expected");
                Space(isNested);
                max = min;
                if (_reader.Takes(','))
                {
                    Space(isNested);
                    max = _reader.Count() ?? int.MaxValue;
                    Space(isNested);
                }
                if (!_reader.Takes('}') || max < min)
                    throw _reader.Wrong("a repetition is {n}, {n,} or {n,m}");
            }
            else if (!_reader.Takes('*'))
                return item;
            if (times == 4)
                throw _reader.Wrong("so many repetitions of repetitions are not supported");
            item = item.Times(min, max);
            Space(isNested);
        }
    }

    private CodePoints Class()
    {
        bool isInverted = _reader.Takes('^');
        CodePoints set = CodePoints.Of();
        while (!_reader.Takes(']'))
        {
            int first = Scalar(), last = first;
            if (_reader.Sees('-') && _reader.Position + 1 < _reader.Source.Length && _reader.Source[_reader.Position + 1] != ']')
            {
                _reader.Position++;
                last = Scalar();
            }
            if (last < first)
                throw _reader.Wrong("a range ends before it begins");
            set = set.With(CodePoints.Of((first, last)));
        }
        return isInverted ? set.Inverse : set;
    }

    /// <summary>A character, perhaps escaped.</summary>
    private int Scalar()
    {
        if (!_reader.Takes('\\'))
            return _reader.Character();
        int escaped = _reader.Character();
        int value = escaped switch
        {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'x' => _reader.Hex(2),
            'u' => _reader.Hex(4),
            'U' => _reader.Hex(8),
            '\\' or '"' or '[' or ']' or '-' or '^' => escaped,
            _ => throw _reader.Wrong("this escape is not known"),
        };
        return value is < 0xD800 or > 0xDFFF ? value : throw _reader.Wrong("there is half a surrogate pair");
    }

    private string? Name()
    {
        int start = _reader.Position;
        while (!_reader.IsAtEnd && (char.IsAsciiLetterOrDigit(_reader.Source[_reader.Position]) || _reader.Source[_reader.Position] is '-' or '_'))
            _reader.Position++;
        return _reader.Position == start ? null : _reader.Source[start.._reader.Position];
    }

    private Rule Named(string name)
    {
        if (!_rules.TryGetValue(name, out Rule? rule))
            _rules.Add(name, rule = new Rule(name));
        return rule;
    }

    private void Space(bool acrossLines)
    {
        while (!_reader.IsAtEnd)
        {
            if (_reader.Sees('#'))
            {
                while (!_reader.IsAtEnd && !_reader.Sees('\n'))
                    _reader.Position++;
            }
            else if (_reader.Sees(' ') || _reader.Sees('\t') || (acrossLines && (_reader.Sees('\n') || _reader.Sees('\r'))))
                _reader.Position++;
            else
                return;
        }
    }
}
