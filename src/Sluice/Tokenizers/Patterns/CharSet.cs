using System.Globalization;
using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers.Patterns;

/// <summary>
/// A set of characters, as a pattern's [...], \p{..} or \s writes it: ranges, Unicode categories and other sets joined, perhaps
/// intersected with another, perhaps inverted. Characters are looked up in bitmaps: ASCII's is there from the beginning, those of
/// other blocks of 256 characters are computed when the first of them is asked for.
/// </summary>
internal sealed class CharSet
{
    public const int MaxCodePoint = 0x10FFFF;

    private readonly List<(int First, int Last)> _ranges = [];
    private readonly List<CharSet> _sets = [];
    private uint _categories; // a bit for each UnicodeCategory
    private bool _spaces;
    private CharSet? _and;
    private bool _inverted;
    private ulong[]?[]? _blocks; // four words for each 256 characters; threads may compute the same, which does no harm

    /// <summary>Which ASCII characters are in the set. Valid after <see cref="Freeze"/>.</summary>
    public UInt128 Ascii { get; private set; }

    public static CharSet OfCategories(uint categories) => new CharSet { _categories = categories }.Freeze();

    public static CharSet OfSpaces() => new CharSet { _spaces = true }.Freeze();

    public static CharSet OfRanges(params ReadOnlySpan<(int First, int Last)> ranges)
    {
        CharSet set = new();
        set._ranges.AddRange(ranges);
        return set.Freeze();
    }

    public void Add(int first, int last) => _ranges.Add((first, last));

    public void Add(CharSet set) => _sets.Add(set);

    public void Intersect(CharSet set) => _and = set;

    public void Invert() => _inverted = !_inverted;

    public CharSet Inverted()
    {
        CharSet set = new() { _inverted = true };
        set.Add(this);
        return set.Freeze();
    }

    /// <summary>Adds the other case of ASCII letters.</summary>
    public void IgnoreCase()
    {
        foreach ((int first, int last) in _ranges.ToArray())
        {
            for (int c = Math.Max(first, 'A'); c <= Math.Min(last, 'z'); c++)
            {
                if (char.IsAsciiLetter((char)c))
                    _ranges.Add((c ^ 0x20, c ^ 0x20));
            }
        }
    }

    public CharSet Freeze()
    {
        Ascii = 0;
        for (int c = 0; c < 128; c++)
        {
            if (Compute(c))
                Ascii |= UInt128.One << c;
        }
        return this;
    }

    /// <summary>Whether the character at a place is in the set; its length in bytes.</summary>
    public bool Matches(ReadOnlySpan<byte> text, int position, out int length)
    {
        byte first = text[position];
        if (first < 0x80)
        {
            length = 1;
            return (Ascii >> first & 1) != 0;
        }
        int codePoint = Utf8Char.CodePointAt(text, position, out length);
        ulong[] block = _blocks?[codePoint >> 8] ?? MakeBlock(codePoint >> 8);
        return (block[codePoint >> 6 & 3] >> (codePoint & 63) & 1) != 0;
    }

    private ulong[] MakeBlock(int index)
    {
        ulong[] block = new ulong[4];
        for (int i = 0; i < 256; i++)
        {
            if (Compute((index << 8) | i))
                block[i >> 6] |= 1UL << (i & 63);
        }
        if (_blocks is null)
            Interlocked.CompareExchange(ref _blocks, new ulong[]?[(MaxCodePoint >> 8) + 1], null);
        Volatile.Write(ref _blocks[index], block);
        return block;
    }

    private bool Compute(int codePoint) =>
        _inverted != (Joined(codePoint) && (_and is null || _and.Compute(codePoint)));

    private bool Joined(int codePoint)
    {
        if (_categories != 0 && (_categories >> (int)CharUnicodeInfo.GetUnicodeCategory(codePoint) & 1) != 0)
            return true;
        if (_spaces && Utf8Char.IsSpace(codePoint))
            return true;
        foreach ((int first, int last) in _ranges)
        {
            if (codePoint >= first && codePoint <= last)
                return true;
        }
        foreach (CharSet set in _sets)
        {
            if (set.Compute(codePoint))
                return true;
        }
        return false;
    }
}
