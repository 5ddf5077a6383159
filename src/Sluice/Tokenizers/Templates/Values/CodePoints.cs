using System.Text;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>
/// Texts as Python sees them: characters are code points. Halves of surrogate pairs that stand alone count as characters.
/// </summary>
internal static class CodePoints
{
    public static int Count(string text)
    {
        int pairs = 0;
        for (int i = 0; i + 1 < text.Length; i++)
        {
            if (char.IsSurrogatePair(text[i], text[i + 1]))
            {
                pairs++;
                i++;
            }
        }
        return text.Length - pairs;
    }

    /// <summary>The characters, each as a text.</summary>
    public static IEnumerable<object?> Split(string text)
    {
        for (int i = 0; i < text.Length;)
        {
            int length = LengthAt(text, i);
            yield return text.Substring(i, length);
            i += length;
        }
    }

    /// <summary>How many UTF-16 units the character at an offset has.</summary>
    public static int LengthAt(string text, int offset) =>
        offset + 1 < text.Length && char.IsSurrogatePair(text[offset], text[offset + 1]) ? 2 : 1;

    /// <summary>The code point at an offset: of half a surrogate pair, that half.</summary>
    public static int At(string text, int offset) =>
        LengthAt(text, offset) == 2 ? char.ConvertToUtf32(text[offset], text[offset + 1]) : text[offset];

    /// <summary>Where a character begins.</summary>
    public static int Offset(string text, int index)
    {
        if (Count(text) == text.Length)
            return Math.Min(index, text.Length);
        int offset = 0;
        for (; index > 0 && offset < text.Length; index--)
            offset += LengthAt(text, offset);
        return offset;
    }

    /// <summary>Which character begins at an offset.</summary>
    public static int Index(string text, int offset) => Count(text[..offset]);

    public static string Slice(string text, SliceSpan span)
    {
        if (Count(text) == text.Length)
        {
            if (span.Step == 1)
                return text.Substring(span.Count == 0 ? 0 : span.Start, span.Count);
            return string.Create(span.Count, (text, span), static (target, state) =>
            {
                for (int i = 0; i < target.Length; i++)
                    target[i] = state.text[state.span.At(i)];
            });
        }
        string[] characters = [.. Split(text).Cast<string>()];
        StringBuilder result = new();
        for (int i = 0; i < span.Count; i++)
            result.Append(characters[span.At(i)]);
        return result.ToString();
    }

    /// <summary>Compares by code points: UTF-16 order puts U+E000 to U+FFFF after what lies beyond.</summary>
    public static int Compare(string x, string y)
    {
        int common = x.AsSpan().CommonPrefixLength(y);
        if (common == x.Length || common == y.Length)
            return x.Length.CompareTo(y.Length);
        char a = x[common], b = y[common];
        return char.IsSurrogate(a) == char.IsSurrogate(b) ? a.CompareTo(b) : char.IsSurrogate(a) ? 1 : -1;
    }
}
