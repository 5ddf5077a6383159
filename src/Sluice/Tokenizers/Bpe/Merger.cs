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

    // Of short words: the merge of each symbol with the next.
    private readonly ulong[] _pairs = new ulong[LongWord];

    // Of long words.
    private Node[] _nodes = [];
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
        Span<ulong> pairs = _pairs.AsSpan(0, count);
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
        if (_nodes.Length < count)
            (_nodes, _heap) = (new Node[_symbols.Length], new ulong[_symbols.Length]);
        _heapCount = 0;
        for (int i = 0; i < count; i++)
        {
            int next = i + 1 < count ? i + 1 : -1;
            ulong merge = next < 0 ? MergeTable.None : merges.Find(_symbols[i], _symbols[next]);
            _nodes[i] = new() { Symbol = _symbols[i], Previous = i - 1, Next = next, Merge = merge };
            if (merge != MergeTable.None)
                _heap[_heapCount++] = Entry(merge, i);
        }
        for (int i = (_heapCount / 2) - 1; i >= 0; i--)
            SiftDown(i, _heap[i]);
        while (_heapCount > 0)
        {
            ulong top = _heap[0];
            SiftDown(0, _heap[--_heapCount]);
            int at = (int)top;
            ref Node left = ref _nodes[at];
            // An entry counts if the pair that begins here has this rank now; else the pair has changed since.
            if (left.Merge == MergeTable.None || MergeTable.Rank(left.Merge) != (uint)(top >> 32))
                continue;
            ref Node right = ref _nodes[left.Next];
            left.Symbol = MergeTable.Result(left.Merge);
            left.Next = right.Next;
            right.Merge = MergeTable.None;
            if (left.Next >= 0)
                _nodes[left.Next].Previous = at;
            FindMerge(at);
            if (left.Previous >= 0)
                FindMerge(left.Previous);
        }
        int written = 0;
        for (int i = 0; i >= 0; i = _nodes[i].Next)
            _symbols[written++] = _nodes[i].Symbol;
        return _symbols.AsSpan(0, written);
    }

    private void FindMerge(int at)
    {
        ref Node left = ref _nodes[at];
        left.Merge = left.Next < 0 ? MergeTable.None : merges.Find(left.Symbol, _nodes[left.Next].Symbol);
        if (left.Merge != MergeTable.None)
            Push(Entry(left.Merge, at));
    }

    // What the heap holds: first the rank, then the place, so that the leftmost of equals comes first.
    private static ulong Entry(ulong merge, int at) => ((ulong)MergeTable.Rank(merge) << 32) | (uint)at;

    private void Push(ulong entry)
    {
        if (_heapCount == _heap.Length)
            Array.Resize(ref _heap, _heapCount * 2);
        int at = _heapCount++;
        while (at > 0 && _heap[(at - 1) / 2] > entry)
        {
            _heap[at] = _heap[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        _heap[at] = entry;
    }

    private void SiftDown(int at, ulong entry)
    {
        while ((2 * at) + 1 < _heapCount)
        {
            int child = (2 * at) + 1;
            if (child + 1 < _heapCount && _heap[child + 1] < _heap[child])
                child++;
            if (_heap[child] >= entry)
                break;
            _heap[at] = _heap[child];
            at = child;
        }
        _heap[at] = entry;
    }

    /// <summary>A symbol, its neighbours (-1 at the ends), and its merge with the next.</summary>
    private struct Node
    {
        public int Symbol;
        public int Previous;
        public int Next;
        public ulong Merge;
    }
}
