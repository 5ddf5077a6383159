namespace Sluice.Tensors;

/// <summary>Which rows have which adapter, as linear maps see them; reused from step to step without allocating.</summary>
internal sealed class AdapterRows
{
    private readonly List<(Adapter Adapter, int Start, int Count)> groups = [];
    private int[] rows = new int[64];

    /// <summary>All rows, with an adapter or without.</summary>
    public int Total { get; private set; }

    /// <summary>The adapters; none costs nothing.</summary>
    public int Groups => groups.Count;

    /// <summary>An adapter and its rows, ascending.</summary>
    public Adapter At(int group, out ReadOnlySpan<int> its)
    {
        (Adapter adapter, int start, int count) = groups[group];
        its = rows.AsSpan(start, count);
        return adapter;
    }

    public void Clear()
    {
        groups.Clear();
        Total = 0;
    }

    /// <summary>Finds the rows of each adapter: of a whole batch, or of some of its rows (ascending), which are then counted from 0.</summary>
    public void Find(ReadOnlySpan<BatchSequence> sequences, ReadOnlySpan<int> chosen, int total)
    {
        Clear();
        Total = total;
        if (rows.Length < total)
            rows = new int[Math.Max(total, 2 * rows.Length)];
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
                for (int row = first; chosen.IsEmpty && row < last; row++)
                    rows[end++] = row;
                while (next < chosen.Length && chosen[next] < first)
                    next++;
                for (; next < chosen.Length && chosen[next] < last; next++)
                    rows[end++] = next;
            }
            if (end > start)
                groups.Add((adapter, start, end - start));
        }
    }

    private bool IsKnown(Adapter adapter)
    {
        foreach ((Adapter known, _, _) in groups)
        {
            if (known == adapter)
                return true;
        }
        return false;
    }
}
