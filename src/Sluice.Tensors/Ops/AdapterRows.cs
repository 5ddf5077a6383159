namespace Sluice.Tensors;

/// <summary>Which rows have which adapter, as linear maps see them; reused from step to step without allocating.</summary>
internal sealed class AdapterRows
{
    private readonly List<(Adapter Adapter, int Start, int Count)> _groups = [];
    private int[] _rows = new int[64];

    /// <summary>All rows, with an adapter or without.</summary>
    public int Total { get; private set; }

    /// <summary>The adapters; none costs nothing.</summary>
    public int Groups => _groups.Count;

    /// <summary>An adapter and its rows, ascending.</summary>
    public Adapter At(int group, out ReadOnlySpan<int> its)
    {
        (Adapter adapter, int start, int count) = _groups[group];
        its = _rows.AsSpan(start, count);
        return adapter;
    }

    public void Clear()
    {
        _groups.Clear();
        Total = 0;
    }

    /// <summary>Finds the rows of each adapter.</summary>
    /// <param name="sequences">The batch's sequences.</param>
    /// <param name="total">How many rows linear maps see.</param>
    /// <param name="isChosen">Whether these are not the batch's, but some of them.</param>
    /// <param name="chosen">Which, ascending.</param>
    public void Find(ReadOnlySpan<BatchSequence> sequences, int total, bool isChosen = false, ReadOnlySpan<int> chosen = default)
    {
        Clear();
        Total = total;
        if (_rows.Length < total)
            _rows = new int[Math.Max(total, 2 * _rows.Length)];
        int end = 0;
        for (int s = 0; s < sequences.Length; s++)
        {
            if (sequences[s].Adapter is not { } adapter || IsKnown(adapter))
                continue;
            int start = end, next = 0;
            for (int other = s; other < sequences.Length; other++)
            {
                if (sequences[other].Adapter != adapter)
                    continue;
                (int first, int last) = (sequences[other].Start, sequences[other].Start + sequences[other].Count);
                for (int row = first; !isChosen && row < last; row++)
                    _rows[end++] = row;
                while (next < chosen.Length && chosen[next] < first)
                    next++;
                for (; next < chosen.Length && chosen[next] < last; next++)
                    _rows[end++] = next;
            }
            if (end > start)
                _groups.Add((adapter, start, end - start));
        }
    }

    private bool IsKnown(Adapter adapter)
    {
        foreach ((Adapter known, _, _) in _groups)
        {
            if (known == adapter)
                return true;
        }
        return false;
    }
}
