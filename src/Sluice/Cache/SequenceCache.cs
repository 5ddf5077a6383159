using Sluice.Tensors;
using Sluice.Tensors.KvFormats;

namespace Sluice.Cache;

/// <summary>
/// A sequence's part of the cache: a block table for each group. A step reserves slots for its tokens, runs, then commits those
/// that count.
/// </summary>
public sealed class SequenceCache : IDisposable
{
    private readonly KvCache _cache;
    private readonly int[][] _tables;
    private readonly int[] _lengths; // blocks in each table
    private readonly int[] _windowed; // in each table, the first block that may not have been given back to a window
    private bool _disposed;

    internal SequenceCache(KvCache cache, int stateSlot)
    {
        (_cache, StateSlot) = (cache, stateSlot);
        _tables = new int[cache.Groups.Count][];
        _lengths = new int[cache.Groups.Count];
        _windowed = new int[cache.Groups.Count];
        for (int g = 0; g < _tables.Length; g++)
            _tables[g] = new int[8];
    }

    /// <summary>The tokens that are cached.</summary>
    public int Length { get; private set; }

    /// <summary>Where its recurrent state is, if the model has one.</summary>
    public int StateSlot { get; }

    /// <summary>
    /// Makes sure that the next <paramref name="tokens"/> slots can be written: takes blocks for them, and copies a last block
    /// that is shared.
    /// </summary>
    /// <returns>False where a pool has too few free blocks; then nothing was changed.</returns>
    public bool TryReserve(int tokens)
    {
        if (!CanReserve(tokens))
            return false;
        for (int g = 0; g < _tables.Length; g++)
        {
            CacheGroup group = _cache.Groups[g];
            int last = Length / KvFormat.BlockSize;
            if (tokens > 0 && last < _lengths[g] && group.Pool.References(_tables[g][last]) > 1)
            {
                int shared = _tables[g][last];
                _tables[g][last] = Take(group.Pool);
                group.Store.CopyBlock(shared, _tables[g][last]);
                group.Pool.Release(shared);
            }
            int needed = BlocksFor(Length + tokens);
            if (needed > _tables[g].Length)
                Array.Resize(ref _tables[g], Math.Max(needed, _tables[g].Length * 2));
            while (_lengths[g] < needed)
                _tables[g][_lengths[g]++] = Take(group.Pool);
        }
        return true;
    }

    /// <summary>Whether <see cref="TryReserve"/> would succeed.</summary>
    public bool CanReserve(int tokens)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        for (int g = 0; g < _tables.Length; g++)
        {
            BlockPool pool = _cache.Groups[g].Pool;
            int last = Length / KvFormat.BlockSize;
            int copied = tokens > 0 && last < _lengths[g] && pool.References(_tables[g][last]) > 1 ? 1 : 0;
            if (Math.Max(0, BlocksFor(Length + tokens) - _lengths[g]) + copied > pool.Free)
                return false;
        }
        return true;
    }

    /// <summary>Starts this sequence's rows in a batch.</summary>
    public void Begin(Batch batch) => batch.BeginSequence(Length, _tables, StateSlot);

    /// <summary>
    /// Counts the next <paramref name="tokens"/> slots as cached, and gives back reserved blocks beyond them and those that fell
    /// out of every later token's window.
    /// </summary>
    public void Commit(int tokens)
    {
        Length += tokens;
        for (int g = 0; g < _tables.Length; g++)
        {
            DropBeyond(g, Length);
            GiveBackUnseen(g);
        }
    }

    /// <summary>Whether the sequence can be cut back to a length: everything that a token there sees is still cached.</summary>
    public bool CanTruncate(int length)
    {
        if (length == Length || length == 0)
            return true;
        if (length > Length || _cache.States is not null)
            return false;
        for (int g = 0; g < _tables.Length; g++)
        {
            Retention retention = _cache.Groups[g].Retention;
            for (int block = 0; block < BlocksFor(length); block++)
            {
                int first = block * KvFormat.BlockSize, last = first + KvFormat.BlockSize - 1;
                if (_tables[g][block] < 0 && !retention.IsGone(first, last, length))
                    return false;
            }
        }
        return true;
    }

    /// <summary>Forgets the tokens from <paramref name="length"/> on.</summary>
    /// <exception cref="InvalidOperationException">What was before is gone (<see cref="CanTruncate"/>).</exception>
    public void Truncate(int length)
    {
        if (!CanTruncate(length))
            throw new InvalidOperationException($"A sequence of {Length} tokens cannot be cut back to {length}: what those saw is gone.");
        Length = length;
        for (int g = 0; g < _tables.Length; g++)
            DropBeyond(g, length);
    }

    /// <summary>Another sequence with the same tokens, sharing their blocks until one of the two writes to them.</summary>
    /// <exception cref="NotSupportedException">The model has a recurrent state, which cannot be shared.</exception>
    public SequenceCache Fork()
    {
        if (_cache.States is not null)
            throw new NotSupportedException("A recurrent state cannot be shared.");
        SequenceCache copy = _cache.CreateSequence();
        copy.Length = Length;
        for (int g = 0; g < _tables.Length; g++)
        {
            copy._tables[g] = [.. _tables[g]];
            (copy._lengths[g], copy._windowed[g]) = (_lengths[g], _windowed[g]);
            foreach (int block in BlocksOf(g))
                _cache.Groups[g].Pool.Retain(block);
        }
        return copy;
    }

    /// <summary>Gives everything back.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        for (int g = 0; g < _tables.Length; g++)
            DropBeyond(g, 0);
        _disposed = true;
        _cache.Remove(this);
    }

    internal IEnumerable<int> BlocksOf(int group) => _tables[group].Take(_lengths[group]).Where(block => block >= 0);

    internal void CheckIntegrity()
    {
        for (int g = 0; g < _tables.Length; g++)
        {
            if (_lengths[g] < BlocksFor(Length))
                throw new InvalidOperationException($"A sequence of {Length} tokens has {_lengths[g]} blocks in group {g}.");
            for (int block = 0; block < BlocksFor(Length); block++)
            {
                int first = block * KvFormat.BlockSize, last = first + KvFormat.BlockSize - 1;
                if (_tables[g][block] < 0 && !_cache.Groups[g].Retention.IsGone(first, last, Length))
                    throw new InvalidOperationException($"Block {block} of group {g} was given back although position {Length} sees it.");
            }
        }
    }

    /// <summary>Gives back the blocks that no later token sees. They go in order, but for the sinks before them, which stay.</summary>
    private void GiveBackUnseen(int g)
    {
        CacheGroup group = _cache.Groups[g];
        if (group.Retention.Window == 0)
            return;
        for (int block = Math.Max(_windowed[g], BlocksFor(group.Retention.SinkTokens)); block < _lengths[g]; block++)
        {
            int first = block * KvFormat.BlockSize, last = first + KvFormat.BlockSize - 1;
            if (!group.Retention.IsGone(first, last, Length))
                return;
            group.Pool.Release(_tables[g][block]);
            _tables[g][block] = -1;
            _windowed[g] = block + 1;
        }
    }

    private void DropBeyond(int g, int length)
    {
        for (; _lengths[g] > BlocksFor(length); _lengths[g]--)
        {
            int block = _tables[g][_lengths[g] - 1];
            if (block >= 0)
                _cache.Groups[g].Pool.Release(block);
        }
        _windowed[g] = Math.Min(_windowed[g], _lengths[g]);
    }

    private static int Take(BlockPool pool) =>
        pool.TryAllocate(out int block) ? block : throw new InvalidOperationException("The pool has fewer free blocks than it said.");

    private static int BlocksFor(int tokens) => (tokens + KvFormat.BlockSize - 1) / KvFormat.BlockSize;
}
