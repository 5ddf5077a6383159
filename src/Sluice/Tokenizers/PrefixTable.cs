using System.Buffers;

namespace Sluice.Tokenizers;

/// <summary>
/// Finds which of many byte strings begin at a place in a text. The strings are sorted; each byte of the text narrows the range
/// of those that still agree, so that a walk costs no more than a trie's, and the table no more than an index.
/// </summary>
internal sealed class PrefixTable
{
    private readonly ByteStrings _strings;
    private readonly int[] _order;
    private readonly SearchValues<byte> _firstBytes;

    // Where in _order the strings that begin with byte b begin (b + 1: end).
    private readonly int[] _starts = new int[257];

    /// <param name="strings">The strings.</param>
    /// <param name="indices">Which of them; empty ones are left out.</param>
    public PrefixTable(ByteStrings strings, IEnumerable<int> indices)
    {
        _strings = strings;
        _order = [.. indices.Where(i => strings[i].Length > 0)];
        Array.Sort(_order, (a, b) => strings[a].SequenceCompareTo(strings[b]) is var c && c != 0 ? c : a.CompareTo(b));
        foreach (int i in _order)
            _starts[strings[i][0] + 1]++;
        for (int b = 0; b < 256; b++)
            _starts[b + 1] += _starts[b];
        _firstBytes = SearchValues.Create([.. _order.Select(i => strings[i][0]).Distinct()]);
    }

    public bool IsEmpty => _order.Length == 0;

    /// <summary>The first place at or after <paramref name="start"/> where a string might begin, or -1.</summary>
    public int NextCandidate(ReadOnlySpan<byte> text, int start)
    {
        int offset = text[start..].IndexOfAny(_firstBytes);
        return offset < 0 ? -1 : start + offset;
    }

    /// <summary>The longest string that <paramref name="text"/> begins with, or -1.</summary>
    public int Longest(ReadOnlySpan<byte> text)
    {
        int longest = -1;
        Walk walk = Begin(text);
        while (walk.Next(out int index))
            longest = index;
        return longest;
    }

    /// <summary>Starts going through the strings that <paramref name="text"/> begins with, from the shortest.</summary>
    public Walk Begin(ReadOnlySpan<byte> text) => new(this, text);

    internal ref struct Walk
    {
        private readonly PrefixTable _table;
        private readonly ReadOnlySpan<byte> _text;
        private int _low;
        private int _high;
        private int _depth;

        public Walk(PrefixTable table, ReadOnlySpan<byte> text)
        {
            _table = table;
            _text = text;
            if (text.Length > 0)
                (_low, _high, _depth) = (table._starts[text[0]], table._starts[text[0] + 1], 1);
        }

        /// <summary>The next longer string, if there is one. Equal strings are given once, by their first index.</summary>
        public bool Next(out int index)
        {
            while (_low < _high)
            {
                // Strings of exactly this length sort first.
                index = _table._order[_low];
                bool found = _table._strings[index].Length == _depth;
                while (_low < _high && _table._strings[_table._order[_low]].Length == _depth)
                    _low++;
                Narrow();
                if (found)
                    return true;
            }
            index = -1;
            return false;
        }

        private void Narrow()
        {
            if (_depth == _text.Length || _low == _high)
            {
                _low = _high;
                return;
            }
            byte next = _text[_depth];
            int low = Bound(next);
            _high = next == byte.MaxValue ? _high : Bound(next + 1, low);
            _low = low;
            _depth++;
        }

        // The first string in the range whose byte at the present depth is not below value.
        private readonly int Bound(int value, int from = -1)
        {
            int low = Math.Max(from, _low);
            int high = _high;
            while (low < high)
            {
                int middle = (low + high) >>> 1;
                if (_table._strings[_table._order[middle]][_depth] < value)
                    low = middle + 1;
                else
                    high = middle;
            }
            return low;
        }
    }
}
