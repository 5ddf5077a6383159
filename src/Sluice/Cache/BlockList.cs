namespace Sluice.Cache;

/// <summary>
/// Blocks in an order, the one to give up first at the front: a doubly linked list within arrays, so that a block is appended
/// and removed at once and without allocating.
/// </summary>
internal sealed class BlockList
{
    private const int None = -1;
    private readonly int[] _next, _previous; // of each block; the last entry is the list's own, which joins its two ends
    private readonly int _ends;

    public BlockList(int blocks)
    {
        _next = new int[blocks + 1];
        _previous = new int[blocks + 1];
        Array.Fill(_next, None);
        Array.Fill(_previous, None);
        _ends = blocks;
        (_next[_ends], _previous[_ends]) = (_ends, _ends);
    }

    /// <summary>The blocks in the list.</summary>
    public int Count { get; private set; }

    /// <summary>The front; only of a list that is not empty.</summary>
    public int First => Count > 0 ? _next[_ends] : throw new InvalidOperationException("The list is empty.");

    public bool Contains(int block) => _next[block] != None;

    /// <summary>Adds a block at the back.</summary>
    public void Append(int block)
    {
        if (Contains(block))
            throw new InvalidOperationException($"Block {block} is in the list already.");
        int last = _previous[_ends];
        (_previous[block], _next[block]) = (last, _ends);
        _next[last] = block;
        _previous[_ends] = block;
        Count++;
    }

    public void Remove(int block)
    {
        if (!Contains(block))
            throw new InvalidOperationException($"Block {block} is not in the list.");
        _next[_previous[block]] = _next[block];
        _previous[_next[block]] = _previous[block];
        (_next[block], _previous[block]) = (None, None);
        Count--;
    }

    /// <summary>All blocks, from the front.</summary>
    public IEnumerable<int> All()
    {
        for (int block = _next[_ends]; block != _ends; block = _next[block])
            yield return block;
    }
}
