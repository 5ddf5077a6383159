using System.Globalization;
using System.Text;

namespace Sluice.Tokenizers.Patterns;

/// <summary>
/// Reads the regular expressions that tokenizers are published with (Oniguruma's and Rust's common part). What it does not know
/// is refused, never guessed.
/// </summary>
internal sealed class PatternParser(string pattern)
{
    private const int MaxDepth = 64;
    private const int MaxRepeats = 1024;
    private const int MaxInstructions = 1 << 16;

    private int _position;
    private int _depth;
    private bool _ignoreCase;

    /// <summary>The instructions of the pattern and the ASCII characters that it can begin with.</summary>
    /// <exception cref="NotSupportedException">The pattern uses what this does not know.</exception>
    public (Instruction[] Program, UInt128 First) Parse()
    {
        Node root = Choice();
        if (_position != pattern.Length)
            throw Unsupported("an unmatched ')'");
        List<Instruction> program = [];
        root.Emit(program);
        program.Add(new(Opcode.Match));
        return ([.. program], root.IsNullable ? UInt128.MaxValue : root.First);
    }

    private Node Choice()
    {
        if (++_depth > MaxDepth)
            throw Unsupported("groups nested too deeply");
        bool ignoreCase = _ignoreCase;
        List<Node> choices = [Sequence()];
        while (Take('|'))
            choices.Add(Sequence());
        _depth--;
        _ignoreCase = ignoreCase;
        return choices.Count == 1 ? choices[0] : new ChoiceNode([.. choices]);
    }

    private Node Sequence()
    {
        List<Node> parts = [];
        while (_position < pattern.Length && pattern[_position] is not ('|' or ')'))
        {
            if (Take("(?i)"))
                _ignoreCase = true;
            else
                parts.Add(Quantified(Atom()));
        }
        return parts.Count == 1 ? parts[0] : new SequenceNode([.. parts]);
    }

    private Node Quantified(Node atom)
    {
        while (true)
        {
            (int min, int max) = (1, 1);
            if (Take('?'))
                (min, max) = (0, 1);
            else if (Take('*'))
                (min, max) = (0, int.MaxValue);
            else if (Take('+'))
                (min, max) = (1, int.MaxValue);
            else if (!Braces(out min, out max))
                return atom;
            if (max == int.MaxValue && atom.IsNullable)
                throw Unsupported("repeating what can be empty");
            bool isLazy = Take('?');
            bool isPossessive = !isLazy && Take('+');
            atom = new RepeatNode(atom, min, max, isLazy, isPossessive);
            CheckSize(atom);
        }
    }

    // {n}, {n,} and {n,m}; anything else after a brace is the brace itself.
    private bool Braces(out int min, out int max)
    {
        (min, max) = (1, 1);
        int end = Peek('{') ? pattern.IndexOf('}', _position) : -1;
        if (end < 0)
            return false;
        string[] bounds = pattern[(_position + 1)..end].Split(',');
        if (bounds.Length > 2 || !Number(bounds[0], out min))
            return false;
        max = min;
        if (bounds.Length == 2 && bounds[1].Length == 0)
            max = int.MaxValue;
        else if (bounds.Length == 2 && !Number(bounds[1], out max))
            return false;
        if (min > MaxRepeats || (max != int.MaxValue && (max > MaxRepeats || max < min)))
            throw Unsupported("such a number of repetitions");
        _position = end + 1;
        return true;

        static bool Number(string text, out int value) =>
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    // Counted repetitions of groups are written out: nested, they multiply.
    private void CheckSize(Node node)
    {
        List<Instruction> program = [];
        node.Emit(program);
        if (program.Count > MaxInstructions)
            throw Unsupported("so many repetitions");
    }

    private Node Atom()
    {
        if (Take("(?"))
            return Group();
        if (Take('('))
            return Close(Choice());
        if (Take('['))
            return new SetNode(Class());
        if (Take('.'))
            return new SetNode(CharSet.OfRanges(('\n', '\n')).Inverted());
        if (Take('^'))
            return new AnchorNode(Opcode.LineStart);
        if (Take('$'))
            return new AnchorNode(Opcode.LineEnd);
        if (Take(@"\b"))
            return new AnchorNode(Opcode.WordEdge);
        if (Take(@"\B"))
            return new AnchorNode(Opcode.WordEdge, isNegative: true);
        if (Peek('\\') && Shorthand() is { } set)
            return new SetNode(set);
        if (pattern[_position] is '?' or '*' or '+')
            throw Unsupported("a quantifier with nothing before it");
        int character = Character();
        return new SetNode(Single(character, character));
    }

    private Node Group()
    {
        if (Take(':'))
            return Close(Choice());
        if (Take('='))
            return new NestedNode(Opcode.Ahead, Close(Choice()));
        if (Take('!'))
            return new NestedNode(Opcode.Ahead, Close(Choice()), isNegative: true);
        if (Take('>'))
            return new NestedNode(Opcode.Atomic, Close(Choice()));
        if (!Take("i:"))
            throw Unsupported("this kind of group");
        bool outer = _ignoreCase;
        _ignoreCase = true;
        Node body = Choice();
        _ignoreCase = outer;
        return Close(body);
    }

    private Node Close(Node body) => Take(')') ? body : throw Unsupported("a group without end");

    private CharSet Class()
    {
        if (++_depth > MaxDepth)
            throw Unsupported("classes nested too deeply");
        CharSet set = new();
        bool isInverted = Take('^');
        bool isFirst = true;
        while (!Peek(']') || isFirst)
        {
            if (_position >= pattern.Length)
                throw Unsupported("a class without end");
            isFirst = false;
            if (Take("&&"))
            {
                set.Intersect(Rest());
                break;
            }
            if (Take('['))
                set.Add(Class());
            else if (Peek('\\') && Shorthand() is { } shorthand)
                set.Add(shorthand);
            else
                Range(set);
        }
        if (!Take(']'))
            throw Unsupported("a class without end");
        if (isInverted)
            set.Invert();
        _depth--;
        return set.Freeze();
    }

    // What follows && up to the end of the class, as if it stood in brackets of its own.
    private CharSet Rest()
    {
        CharSet set = new();
        while (_position < pattern.Length && !Peek(']'))
        {
            if (Take("&&"))
                set.Intersect(Rest());
            else if (Take('['))
                set.Add(Class());
            else if (Peek('\\') && Shorthand() is { } shorthand)
                set.Add(shorthand);
            else
                Range(set);
        }
        return set.Freeze();
    }

    private void Range(CharSet set)
    {
        int first = Character();
        int last = first;
        if (Peek('-') && _position + 1 < pattern.Length && pattern[_position + 1] != ']')
        {
            _position++;
            last = Character();
        }
        if (last < first)
            throw Unsupported("a range that ends before it begins");
        set.Add(Single(first, last));
    }

    private CharSet Single(int first, int last)
    {
        CharSet set = new();
        set.Add(first, last);
        if (_ignoreCase)
            set.IgnoreCase();
        return set.Freeze();
    }

    private CharSet? Shorthand()
    {
        char letter = _position + 1 < pattern.Length ? pattern[_position + 1] : '\0';
        CharSet? set = char.ToLowerInvariant(letter) switch
        {
            's' => CharSet.OfSpaces(),
            'd' => CharSet.OfCategories(1u << (int)UnicodeCategory.DecimalDigitNumber),
            'w' => UnicodeNames.Find("Word"),
            _ => null,
        };
        if (letter is 'p' or 'P')
        {
            int end = pattern.IndexOf('}', _position);
            if (end < 0 || pattern[_position + 2] != '{')
                throw Unsupported(@"\p without {}");
            string name = pattern[(_position + 3)..end];
            bool isInverted = name.StartsWith('^');
            set = UnicodeNames.Find(name.TrimStart('^')) ?? throw Unsupported($"\\p{{{name}}}");
            if (isInverted)
                set = set.Inverted();
            _position = end - 1;
        }
        if (set is null)
            return null;
        _position += 2;
        return char.IsAsciiLetterUpper(letter) ? set.Inverted() : set;
    }

    private int Character()
    {
        if (_position >= pattern.Length)
            throw Unsupported("an end amid a class");
        if (!Take('\\'))
        {
            if (!Rune.TryGetRuneAt(pattern, _position, out Rune rune))
                throw Unsupported("half a surrogate pair");
            _position += rune.Utf16SequenceLength;
            return rune.Value;
        }
        if (_position >= pattern.Length)
            throw Unsupported(@"a \ at the end");
        char escaped = pattern[_position++];
        return escaped switch
        {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'f' => '\f',
            'v' => '\v',
            'e' => 0x1B,
            'a' => 0x07,
            '0' => 0,
            'x' when Take('{') => Hex(pattern.IndexOf('}', _position) - _position, closed: true),
            'x' => Hex(2),
            'u' when Take('{') => Hex(pattern.IndexOf('}', _position) - _position, closed: true),
            'u' => Hex(4),
            _ when char.IsAsciiLetterOrDigit(escaped) => throw Unsupported($"\\{escaped}"),
            _ => escaped,
        };
    }

    private int Hex(int digits, bool closed = false)
    {
        if (digits <= 0 || _position + digits > pattern.Length
            || !int.TryParse(pattern.AsSpan(_position, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
                out int value) || value is < 0 or > CharSet.MaxCodePoint)
        {
            throw Unsupported("such a code point");
        }
        _position += digits + (closed ? 1 : 0);
        return value;
    }

    private bool Peek(char character) => _position < pattern.Length && pattern[_position] == character;

    private bool Take(char character)
    {
        bool taken = Peek(character);
        _position += taken ? 1 : 0;
        return taken;
    }

    private bool Take(string text)
    {
        bool taken = string.CompareOrdinal(pattern, _position, text, 0, text.Length) == 0;
        _position += taken ? text.Length : 0;
        return taken;
    }

    private NotSupportedException Unsupported(string what) =>
        new($"The pre-tokenizer's pattern has {what} at character {_position}, which is not supported: {pattern}");
}
