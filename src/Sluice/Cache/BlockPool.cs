namespace Sluice.Cache;

/// <summary>
/// The books of a fixed number of cache blocks: which are free, and how many sequences share each of the others. It owns no
/// memory.
/// </summary>
public sealed class BlockPool
{
    private readonly int[] _references;
    private readonly int[] _free; // a stack: the block given back last is still warm in the processor's caches
    private int _freeCount;

    /// <summary>Books with all blocks free.</summary>
    public BlockPool(int blocks)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(blocks);
        _references = new int[blocks];
        _free = new int[blocks];
        for (int i = 0; i < blocks; i++)
            _free[i] = blocks - 1 - i;
        _freeCount = blocks;
    }

    /// <summary>All blocks.</summary>
    public int Count => _references.Length;

    /// <summary>The blocks that nobody holds.</summary>
    public int Free => _freeCount;

    /// <summary>Takes a free block, with one reference.</summary>
    /// <returns>Whether there was one.</returns>
    public bool TryAllocate(out int block)
    {
        if (_freeCount == 0)
        {
            block = -1;
            return false;
        }
        block = _free[--_freeCount];
        _references[block] = 1;
        return true;
    }

    /// <summary>How many hold the block.</summary>
    public int References(int block) => _references[block];

    /// <summary>Adds a reference to a block that is held.</summary>
    public void Retain(int block)
    {
        if (_references[block] == 0)
            throw new InvalidOperationException($"Block {block} is free.");
        _references[block]++;
    }

    /// <summary>Drops a reference; the last one frees the block.</summary>
    public void Release(int block)
    {
        if (_references[block] == 0)
            throw new InvalidOperationException($"Block {block} was freed twice.");
        if (--_references[block] == 0)
            _free[_freeCount++] = block;
    }

    /// <summary>Checks that every block is either free, once, or held, by just those in <paramref name="holders"/>.</summary>
    /// <param name="holders">Every held block, once for each holder.</param>
    /// <exception cref="InvalidOperationException">The books are wrong; the message says where.</exception>
    public void CheckIntegrity(IEnumerable<int> holders)
    {
        int[] expected = new int[Count];
        foreach (int block in holders)
            expected[block]++;
        bool[] free = new bool[Count];
        for (int i = 0; i < _freeCount; i++)
        {
            if (free[_free[i]])
                throw new InvalidOperationException($"Block {_free[i]} is in the free list twice.");
            free[_free[i]] = true;
        }
        for (int block = 0; block < Count; block++)
        {
            if (expected[block] != _references[block])
                throw new InvalidOperationException($"Block {block} has {_references[block]} references but {expected[block]} holders.");
            if (free[block] != (_references[block] == 0))
                throw new InvalidOperationException($"Block {block} has {_references[block]} references and is {(free[block] ? "" : "not ")}in the free list.");
        }
    }
}
