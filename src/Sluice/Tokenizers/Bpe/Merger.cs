namespace Sluice.Tokenizers.Bpe;

/// <summary>
/// Byte-pair encoding of one word: of all neighbouring symbols that a merge exists for, the pair of lowest rank merges first, the
/// leftmost of equals (Sennrich et al. 2016, arXiv:1508.07909). Short words are searched each time, which is quickest for what
/// words mostly are; long ones go through a heap, in O(n log n).
/// </summary>
internal sealed class Merger(MergeTable merges)
{
    private const int LongWord = 40;

    private int[] _symbols = new int[LongWord];
    private ulong[] _merges = new ulong[LongWord];

    // Of long words: neighbours of a symbol, -1 at the ends.
    private int[] _next = [];
    private int[] _previous = [];
    private ulong[] _heap = [];
    private int _heapCount;

    /// <summary>How many symbols there is room for now.</summary>
    public int Capacity => _symbols.Length;

    /// <summary>Room for a word's symbols, to be filled before <see cref="Merge"/>.</summary>
    public Span<int> Symbols(int count)
    {
        if (count > _symbols.Length)
            Array.Resize(ref _symbols, Math.Max(count, _symbols.Length * 2));
        return _symbols.AsSpan(0, count);
    }

    /// <summary>Merges the first symbols of <see cref="Symbols"/>.</summary>
    /// <returns>What they became, valid until the next word.</returns>
    public ReadOnlySpan<int> Merge(int count) => count <= LongWord ? MergeShort(count) : MergeLong(count);

    private ReadOnlySpan<int> MergeShort(int count)
    {
        Span<int> symbols = _symbols.AsSpan(0, count);
        Span<ulong> pairs = _merges.AsSpan(0, count);
        for (int i = 0; i + 1 < count; i++)
            pairs[i] = merges.Find(symbols[i], symbols[i + 1]);
        while (count > 1)
        {
            int best = 0;
            for (int i = 1; i < count - 1; i++)
            {
                if (MergeTable.Rank(pairs[i]) < MergeTable.Rank(pairs[best]))
                    best = i;
            }
            if (pairs[best] == MergeTable.None)
                break;
            symbols[best] = MergeTable.Result(pairs[best]);
            count--;
            symbols[(best + 2)..(count + 1)].CopyTo(symbols[(best + 1)..]);
            pairs[(best + 1)..count].CopyTo(pairs[best..]);
            if (best > 0)
                pairs[best - 1] = merges.Find(symbols[best - 1], symbols[best]);
            if (best + 1 < count)
                pairs[best] = merges.Find(symbols[best], symbols[best + 1]);
        }
        return symbols[..count];
    }

    private ReadOnlySpan<int> MergeLong(int count)
    {
        if (_next.Length < count)
        {
            int capacity = _symbols.Length;
            (_merges, _next, _previous) = (new ulong[capacity], new int[capacity], new int[capacity]);
        }
        _heapCount = 0;
        for (int i = 0; i < count; i++)
            (_previous[i], _next[i]) = (i - 1, i + 1 < count ? i + 1 : -1);
        for (int i = 0; i < count; i++)
            FindMerge(i);
        while (_heapCount > 0)
        {
            ulong top = Pop();
            int left = (int)top;
            // An entry counts if the pair that begins here has this rank now; else the pair has changed since.
            if (MergeTable.Rank(_merges[left]) != (uint)(top >> 32) || _merges[left] == MergeTable.None)
                continue;
            int right = _next[left];
            _symbols[left] = MergeTable.Result(_merges[left]);
            _merges[right] = MergeTable.None;
            int after = _next[right];
            _next[left] = after;
            if (after >= 0)
                _previous[after] = left;
            FindMerge(left);
            if (_previous[left] >= 0)
                FindMerge(_previous[left]);
        }
        int written = 0;
        for (int i = 0; i >= 0; i = _next[i])
            _symbols[written++] = _symbols[i];
        return _symbols.AsSpan(0, written);
    }

    private void FindMerge(int left)
    {
        int right = _next[left];
        ulong merge = right < 0 ? MergeTable.None : merges.Find(_symbols[left], _symbols[right]);
        _merges[left] = merge;
        if (merge != MergeTable.None)
            Push(((ulong)MergeTable.Rank(merge) << 32) | (uint)left);
    }

    private void Push(ulong entry)
    {
        if (_heapCount == _heap.Length)
            Array.Resize(ref _heap, Math.Max(2 * _heapCount, 256));
        int at = _heapCount++;
        while (at > 0 && _heap[(at - 1) / 2] > entry)
        {
            _heap[at] = _heap[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        _heap[at] = entry;
    }

    private ulong Pop()
    {
        ulong top = _heap[0];
        ulong last = _heap[--_heapCount];
        int at = 0;
        while ((2 * at) + 1 < _heapCount)
        {
            int child = (2 * at) + 1;
            if (child + 1 < _heapCount && _heap[child + 1] < _heap[child])
                child++;
            if (_heap[child] >= last)
                break;
            _heap[at] = _heap[child];
            at = child;
        }
        _heap[at] = last;
        return top;
    }
}
