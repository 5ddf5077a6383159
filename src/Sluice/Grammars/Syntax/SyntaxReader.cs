using System.Globalization;
using System.Text;

namespace Sluice.Grammars.Syntax;

/// <summary>A text that is parsed, and how far that came.</summary>
internal sealed class SyntaxReader(string text, string what)
{
    private const int MostDepth = 200;

    private int _depth;

    public int Position { get; set; }

    public string Source => text;

    public bool IsAtEnd => Position >= text.Length;

    public bool Sees(char character) => Position < text.Length && text[Position] == character;

    public bool Takes(char character)
    {
        bool taken = Sees(character);
        Position += taken ? 1 : 0;
        return taken;
    }

    public bool Takes(string expected)
    {
        bool taken = string.CompareOrdinal(text, Position, expected, 0, expected.Length) == 0;
        Position += taken ? expected.Length : 0;
        return taken;
    }

    /// <summary>The next character, whatever it is.</summary>
    public int Character()
    {
        if (IsAtEnd)
            throw Wrong("it ends too early");
        if (!Rune.TryGetRuneAt(text, Position, out Rune rune))
            throw Wrong("there is half a surrogate pair");
        Position += rune.Utf16SequenceLength;
        return rune.Value;
    }

    /// <summary>A hexadecimal number of so many digits.</summary>
    public int Hex(int digits)
    {
        if (digits is <= 0 or > 8 || Position + digits > text.Length || !int.TryParse(
            text.AsSpan(Position, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value) || value is < 0 or > CodePoints.Max)
            throw Wrong("a code point in hexadecimal digits is expected");
        Position += digits;
        return value;
    }

    /// <summary>A number of repetitions, if there is one.</summary>
    public int? Count()
    {
        int start = Position;
        while (!IsAtEnd && char.IsAsciiDigit(text[Position]))
            Position++;
        return Position == start ? null
            : int.TryParse(text.AsSpan(start, Position - start), NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value < int.MaxValue ? value
            : throw Wrong("such a number of repetitions is not supported");
    }

    /// <summary>Reads what may contain itself.</summary>
    public T Nested<T>(Func<T> read)
    {
        if (++_depth > MostDepth)
            throw Wrong($"more than {MostDepth} levels within each other are not supported");
        T result = read();
        _depth--;
        return result;
    }

    public GrammarException Wrong(string problem) => new($"{what}, character {Position + 1}: {problem}: {Shown()}");

    private string Shown()
    {
        int start = Math.Max(0, Math.Min(Position, text.Length) - 30);
        string part = text.Substring(start, Math.Min(60, text.Length - start)).ReplaceLineEndings(" ");
        return (start > 0 ? "..." : "") + part + (start + 60 < text.Length ? "..." : "");
    }
}
