using System.Globalization;

namespace Sluice.Tokenizers.Patterns;

/// <summary>The sets that \p{name} can name.</summary>
internal static class UnicodeNames
{
    // Two-letter categories of UAX #44, in the order of UnicodeCategory.
    private const string Categories = "LuLlLtLmLoMnMcMeNdNlNoZsZlZpCcCfCsCoPcPdPsPePiPfPoSmScSkSoCn";

    /// <summary>The set of a category (L, Lu, ...), of a script (Han, ...), or of word characters; null if unknown.</summary>
    public static CharSet? Find(string name) => name switch
    {
        "Word" or "word" => Word(),
        // The scripts' ranges as of Unicode 16 (Scripts.txt), unassigned gaps included.
        "Han" => CharSet.OfRanges((0x2E80, 0x2FD5), (0x3005, 0x3005), (0x3007, 0x3007), (0x3021, 0x3029), (0x3038, 0x303B),
            (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAD9), (0x16FE2, 0x16FE3), (0x16FF0, 0x16FF1), (0x20000, 0x323AF)),
        "Hiragana" => CharSet.OfRanges((0x3041, 0x3096), (0x309D, 0x309F), (0x1B001, 0x1B11F), (0x1B132, 0x1B132),
            (0x1B150, 0x1B152), (0x1F200, 0x1F200)),
        "Katakana" => CharSet.OfRanges((0x30A1, 0x30FA), (0x30FD, 0x30FF), (0x31F0, 0x31FF), (0x32D0, 0x32FE),
            (0x3300, 0x3357), (0xFF66, 0xFF6F), (0xFF71, 0xFF9D), (0x1AFF0, 0x1AFFE), (0x1B000, 0x1B000), (0x1B120, 0x1B122),
            (0x1B155, 0x1B155), (0x1B164, 0x1B167)),
        "Hangul" => CharSet.OfRanges((0x1100, 0x11FF), (0x302E, 0x302F), (0x3131, 0x318E), (0x3200, 0x321E), (0x3260, 0x327E),
            (0xA960, 0xA97C), (0xAC00, 0xD7A3), (0xD7B0, 0xD7FB), (0xFFA0, 0xFFDC)),
        { Length: 1 or 2 } => Category(name),
        _ => null,
    };

    private static CharSet? Category(string name)
    {
        uint bits = 0;
        for (int i = 0; i < Categories.Length; i += 2)
        {
            if (Categories.AsSpan(i, 2).StartsWith(name, StringComparison.Ordinal))
                bits |= 1u << (i / 2);
        }
        return bits == 0 ? null : CharSet.OfCategories(bits);
    }

    private static CharSet Word()
    {
        CharSet set = new();
        set.Add(Category("L")!);
        set.Add(Category("M")!);
        set.Add(Category("Nd")!);
        set.Add(CharSet.OfCategories(1u << (int)UnicodeCategory.ConnectorPunctuation));
        return set.Freeze();
    }
}
