using System.Collections.Frozen;
using System.Globalization;
using System.Text;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>
/// Upper and lower case as Python has them: Unicode's simple mappings, and those of SpecialCasing.txt for the letters that
/// become several.
/// </summary>
internal static class LetterCase
{
    private static readonly FrozenDictionary<char, string> Several = new Dictionary<char, string>
    {
        ['ß'] = "SS",
        ['ŉ'] = "ʼN",
        ['ǰ'] = "J\u030C",
        ['և'] = "ԵՒ",
        ['ﬀ'] = "FF",
        ['ﬁ'] = "FI",
        ['ﬂ'] = "FL",
        ['ﬃ'] = "FFI",
        ['ﬄ'] = "FFL",
        ['ﬅ'] = "ST",
        ['ﬆ'] = "ST",
    }.ToFrozenDictionary();

    public static string Upper(string text)
    {
        string upper = text.ToUpperInvariant();
        if (Ascii.IsValid(upper))
            return upper;
        StringBuilder result = new(upper.Length);
        foreach (char c in upper)
            _ = Several.TryGetValue(c, out string? several) ? result.Append(several) : result.Append(c);
        return result.ToString();
    }

    public static string Lower(string text)
    {
        string lower = text.ToLowerInvariant();
        if (!text.AsSpan().ContainsAny('İ', 'Σ'))
            return lower;
        StringBuilder result = new(lower.Length);
        for (int i = 0; i < text.Length; i++)
        {
            bool endsWord = text[i] == 'Σ' && i > 0 && char.IsLetter(text[i - 1])
                && (i + 1 == text.Length || !char.IsLetter(text[i + 1]));
            _ = text[i] == 'İ' ? result.Append("i\u0307") : result.Append(endsWord ? 'ς' : lower[i]);
        }
        return result.ToString();
    }

    /// <summary>The first character in upper case, the rest in lower case.</summary>
    public static string Capitalize(string text)
    {
        if (text.Length == 0)
            return text;
        int first = CodePoints.LengthAt(text, 0);
        return TitleLetter(text[..first]) + Lower(text)[Lower(text[..first]).Length..];
    }

    /// <summary>The first letter of every run of letters in upper case, the others in lower case.</summary>
    public static string Title(string text)
    {
        StringBuilder result = new(text.Length);
        string lower = Lower(text);
        bool inWord = false;
        if (lower.Length != text.Length)
            lower = text.ToLowerInvariant();
        for (int i = 0; i < text.Length;)
        {
            int length = CodePoints.LengthAt(text, i);
            result.Append(inWord ? lower.Substring(i, length) : TitleLetter(text.Substring(i, length)));
            inWord = IsCased(text, i);
            i += length;
        }
        return result.ToString();
    }

    public static string Swap(string text)
    {
        StringBuilder result = new(text.Length);
        for (int i = 0; i < text.Length;)
        {
            int length = CodePoints.LengthAt(text, i);
            string character = text.Substring(i, length);
            result.Append(Category(text, i) == UnicodeCategory.UppercaseLetter ? Lower(character) : Upper(character));
            i += length;
        }
        return result.ToString();
    }

    public static bool IsLower(string text) => Any(text, out bool upper, out bool lower) && lower && !upper;

    public static bool IsUpper(string text) => Any(text, out bool upper, out bool lower) && upper && !lower;

    /// <summary>Whether words begin with upper case and go on in lower case.</summary>
    public static bool IsTitle(string text)
    {
        bool inWord = false, any = false;
        for (int i = 0; i < text.Length; i += CodePoints.LengthAt(text, i))
        {
            bool starts = Category(text, i) is UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter;
            bool isCased = IsCased(text, i);
            if (isCased && starts == inWord)
                return false;
            inWord = isCased;
            any |= isCased;
        }
        return any;
    }

    private static bool Any(string text, out bool upper, out bool lower)
    {
        upper = lower = false;
        for (int i = 0; i < text.Length; i += CodePoints.LengthAt(text, i))
        {
            UnicodeCategory category = Category(text, i);
            upper |= category is UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter;
            lower |= category is UnicodeCategory.LowercaseLetter;
        }
        return upper || lower;
    }

    private static bool IsCased(string text, int i) => Category(text, i)
        is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter;

    private static UnicodeCategory Category(string text, int i) => CharUnicodeInfo.GetUnicodeCategory(text, i);

    private static string TitleLetter(string letter)
    {
        // The letters that are two have a form of their own for titles.
        int digraph = letter.Length == 1 ? "ǆǄǉǇǌǊǳǱ".IndexOf(letter[0]) : -1;
        if (digraph >= 0)
            return "ǅǈǋǲ".Substring(digraph / 2, 1);
        string upper = Upper(letter);
        return upper.Length > letter.Length && letter.Length == 1 && upper.Length > 1
            ? upper[..1] + Lower(upper[1..])
            : upper;
    }
}
