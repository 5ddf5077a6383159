using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers.PreTokenizers;

/// <summary>The rules that the hand-written pre-tokenizers share, each named by the pattern that it matches.</summary>
internal static class Scan
{
    /// <summary>[kinds]*: the end of the run of characters that have one of the kinds.</summary>
    public static int While(ReadOnlySpan<byte> text, int position, CharKinds kinds)
    {
        while (position < text.Length && (Utf8Char.KindsAt(text, position, out int length) & kinds) != 0)
            position += length;
        return position;
    }

    /// <summary>[^kinds]*: the end of the run of characters that have none of the kinds.</summary>
    public static int Until(ReadOnlySpan<byte> text, int position, CharKinds kinds)
    {
        while (position < text.Length && (Utf8Char.KindsAt(text, position, out int length) & kinds) == 0)
            position += length;
        return position;
    }

    /// <summary>'s|'t|'re|'ve|'m|'ll|'d: its length, or 0.</summary>
    public static int Contraction(ReadOnlySpan<byte> text, int position, bool ignoreCase)
    {
        if (position + 1 >= text.Length || text[position] != '\'')
            return 0;
        int fold = ignoreCase ? 0x20 : 0;
        int first = text[position + 1] | fold;
        if (first is 's' or 't' or 'm' or 'd')
            return 2;
        if (position + 2 >= text.Length)
            return 0;
        int second = text[position + 2] | fold;
        return (first, second) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    /// <summary>
    /// \s+(?!\S)|\s+: the end of a run of white space, less its last character if something else follows (so that a single
    /// space stays with the next word).
    /// </summary>
    public static int Spaces(ReadOnlySpan<byte> text, int start)
    {
        int last = start;
        int end = start;
        while (end < text.Length && (Utf8Char.KindsAt(text, end, out int length) & CharKinds.Space) != 0)
            (last, end) = (end, end + length);
        return end == text.Length || last == start ? end : last;
    }

    /// <summary>\s*[\r\n]+|\s+(?!\S)|\s+: as <see cref="Spaces"/>, but a run with line ends is cut after the last of them.</summary>
    public static int SpacesAndLines(ReadOnlySpan<byte> text, int start)
    {
        int last = start;
        int end = start;
        int afterLine = -1;
        while (end < text.Length && Utf8Char.KindsAt(text, end, out int length) is var kinds && (kinds & CharKinds.Space) != 0)
        {
            (last, end) = (end, end + length);
            if ((kinds & CharKinds.Newline) != 0)
                afterLine = end;
        }
        if (afterLine >= 0)
            return afterLine;
        return end == text.Length || last == start ? end : last;
    }
}
