using System.Globalization;
using System.Text;

namespace Sluice.Tokenizers.Unicode;

/// <summary>What the pre-tokenizers ask of a character: the major Unicode categories, and a few finer ones.</summary>
[Flags]
internal enum CharKinds : ushort
{
    None = 0,

    /// <summary>Lu and Lt.</summary>
    Upper = 1,

    /// <summary>Ll.</summary>
    Lower = 2,

    /// <summary>Lm and Lo: letters without case.</summary>
    Caseless = 4,

    /// <summary>\p{M}</summary>
    Mark = 8,

    /// <summary>\p{N}</summary>
    Number = 16,

    /// <summary>\p{P}</summary>
    Punctuation = 32,

    /// <summary>\p{S}</summary>
    Symbol = 64,

    /// <summary>\p{C}</summary>
    Control = 128,

    /// <summary>\s: the White_Space property.</summary>
    Space = 256,

    /// <summary>Carriage return and line feed.</summary>
    Newline = 512,

    /// <summary>\p{Nd}, besides <see cref="Number"/>.</summary>
    Digit = 1024,

    /// <summary>\p{L}</summary>
    Letter = Upper | Lower | Caseless,
}

/// <summary>Reads characters and their kinds from UTF-8 that is known to be valid.</summary>
internal static class Utf8Char
{
    private static readonly CharKinds[] Ascii = [.. Enumerable.Range(0, 128).Select(Classify)];

    /// <summary>The kinds of the character at a place, and its length in bytes.</summary>
    public static CharKinds KindsAt(ReadOnlySpan<byte> text, int position, out int length)
    {
        byte first = text[position];
        if (first < 0x80)
        {
            length = 1;
            return Ascii[first];
        }
        return Classify(CodePointAt(text, position, out length));
    }

    /// <summary>The code point at a place, and its length in bytes.</summary>
    public static int CodePointAt(ReadOnlySpan<byte> text, int position, out int length)
    {
        byte first = text[position];
        if (first < 0x80)
        {
            length = 1;
            return first;
        }
        Rune.DecodeFromUtf8(text[position..], out Rune rune, out length);
        return rune.Value;
    }

    /// <summary>Where the character before a place begins.</summary>
    public static int Before(ReadOnlySpan<byte> text, int position)
    {
        do
            position--;
        while (position > 0 && (text[position] & 0xC0) == 0x80);
        return position;
    }

    public static CharKinds Classify(int codePoint)
    {
        CharKinds kinds = CharUnicodeInfo.GetUnicodeCategory(codePoint) switch
        {
            UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => CharKinds.Upper,
            UnicodeCategory.LowercaseLetter => CharKinds.Lower,
            UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CharKinds.Caseless,
            <= UnicodeCategory.EnclosingMark => CharKinds.Mark,
            UnicodeCategory.DecimalDigitNumber => CharKinds.Number | CharKinds.Digit,
            <= UnicodeCategory.OtherNumber => CharKinds.Number,
            <= UnicodeCategory.ParagraphSeparator => CharKinds.None,
            <= UnicodeCategory.PrivateUse => CharKinds.Control,
            <= UnicodeCategory.OtherPunctuation => CharKinds.Punctuation,
            <= UnicodeCategory.OtherSymbol => CharKinds.Symbol,
            _ => CharKinds.Control,
        };
        if (IsSpace(codePoint))
            kinds |= CharKinds.Space;
        return codePoint is '\r' or '\n' ? kinds | CharKinds.Newline : kinds;
    }

    /// <summary>The White_Space property; all of it is in the basic plane.</summary>
    public static bool IsSpace(int codePoint) => codePoint <= char.MaxValue && char.IsWhiteSpace((char)codePoint);
}
