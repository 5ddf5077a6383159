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
    private readonly int[] _held; // blocks in each table that were not given back
    private readonly int[] _windowed; // in each table, the first block that may not have been given back to a window
    private PrefixNode? _prefix; // how far the tree of prefixes has this sequence; null where there is no tree
    private bool _disposed;

    internal SequenceCache(KvCache cache, int stateSlot, Adapter? adapter)
    {
        (_cache, StateSlot, Adapter) = (cache, stateSlot, adapter);
        _tables = new int[cache.Groups.Count][];
        _lengths = new int[cache.Groups.Count];
        _held = new int[cache.Groups.Count];
        _windowed = new int[cache.Groups.Count];
        for (int g = 0; g < _tables.Length; g++)
            _tables[g] = new int[8];
        Follow(cache.Prefixes?.RootOf(adapter));
    }

    /// <summary>The tokens that are cached.</summary>
    public int Length { get; private set; }

    /// <summary>Where its recurrent state is, if the model has one.</summary>
    public int StateSlot { get; }

    /// <summary>What linear maps add for its rows, if anything.</summary>
    public Adapter? Adapter { get; }

    /// <summary>How many of the tokens can be found by sequences that begin alike: whole blocks of them.</summary>
    public int SharedLength => (_prefix?.Depth ?? 0) * KvFormat.BlockSize;

    /// <summary>Whether another sequence shares as much of its tokens with others as this one does, and the same ones.</summary>
    public bool IsAlongside(SequenceCache other) => _prefix is not null && _prefix == other._prefix;

    /// <summary>The blocks that it holds in a group.</summary>
    public int Held(int group) => _held[group];

    /// <summary>
    /// Goes on with cached blocks, as far as there are some for the tokens. Every token given may be taken as cached: leave out
    /// one whose logits are wanted.
    /// </summary>
    /// <param name="sequence">The sequence's tokens, those that are cached included.</param>
    /// <returns>The tokens that need not be computed.</returns>
    public int Reuse(ReadOnlySpan<int> sequence)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_prefix is null || Length != SharedLength || sequence.Length < Length)
            return 0; // what it has beyond whole blocks it goes on with
        PrefixNode end = _cache.Prefixes!.Match(_prefix, sequence[Length..]);
        int from = _prefix.Depth, before = Length;
        if (end == _prefix)
            return 0;
        Length = end.Depth * KvFormat.BlockSize;
        for (int g = 0; g < _tables.Length; g++)
        {
            Grow(g, end.Depth);
            Retention retention = _cache.Groups[g].Retention;
            for (PrefixNode node = end; node.Depth > from; node = node.Parent!)
            {
                int index = node.Depth - 1, first = index * KvFormat.BlockSize, last = first + KvFormat.BlockSize - 1;
                bool isSeen = !retention.IsGone(first, last, Length);
                _tables[g][index] = isSeen ? node.Blocks[g] : -1;
                if (isSeen)
                {
                    _cache.Retain(g, node.Blocks[g]);
                    _held[g]++;
                }
            }
            _lengths[g] = end.Depth;
            GiveBackUnseen(g);
        }
        Follow(end);
        return Length - before;
    }

    /// <summary>
    /// Goes on with the first tokens of a block that begins as the sequence does and then differs: with a copy of it, since what is
    /// cached of a token depends on those before it alone. For where <see cref="Reuse"/> finds nothing more.
    /// </summary>
    /// <param name="next">The sequence's tokens behind those that are cached.</param>
    /// <param name="other">A sequence alongside (<see cref="IsAlongside"/>) whose next tokens are alike; null for none.</param>
    /// <param name="alike">How many of them are, all of them cached.</param>
    /// <returns>The tokens that need not be computed.</returns>
    public int ReusePart(ReadOnlySpan<int> next, SequenceCache? other, int alike)
    {
        if (_prefix is null || Length != SharedLength)
            return 0;
        int index = _prefix.Depth;
        int[] blocks = [.. _tables.Select((_, g) => other is null ? -1 : other._tables[g][index])];
        if (PrefixTree.Nearest(_prefix, next) is { Node: { } node } nearest && nearest.Tokens > alike)
            (blocks, alike) = (node.Blocks, nearest.Tokens);
        if (alike == 0)
            return 0;
        for (int g = 0; g < blocks.Length; g++)
            _cache.Retain(g, blocks[g]); // or it might be evicted to make room for its copy
        bool hasRoom = TryReserve(alike);
        for (int g = 0; g < blocks.Length; g++)
        {
            if (hasRoom)
                _cache.Groups[g].Store.CopyBlock(blocks[g], _tables[g][index]);
            _cache.Release(g, blocks[g]);
        }
        Advance(hasRoom ? alike : 0);
        return hasRoom ? alike : 0;
    }

    /// <summary>As <see cref="Reuse"/>, of blocks that left memory for disk: reads them, as long as there is room.</summary>
    /// <param name="sequence">The sequence's tokens, those that are cached included.</param>
    /// <returns>The tokens that need not be computed.</returns>
    public int Load(ReadOnlySpan<int> sequence)
    {
        const int Size = KvFormat.BlockSize;
        int before = Length;
        if (_cache.Disk is not { } disk || _prefix is null || Length != SharedLength)
            return 0;
        Span<int> blocks = stackalloc int[_tables.Length];
        while (sequence.Length - Length >= Size)
        {
            PrefixKey key = _prefix!.Key.Next(sequence.Slice(Length, Size));
            if (!disk.Contains(key) || !TryReserve(Size))
                break;
            for (int g = 0; g < blocks.Length; g++)
                blocks[g] = _tables[g][Length / Size];
            if (!disk.TryLoad(key, blocks))
            {
                Advance(0); // the block that was evicted to make room took its place on disk
                break;
            }
            Commit(Size, sequence);
        }
        return Length - before;
    }

    /// <summary>
    /// Makes sure that the next <paramref name="tokens"/> slots can be written: takes blocks for them, and copies a last block
    /// that is shared. Where no block is free, cached ones that nobody uses are evicted.
    /// </summary>
    /// <returns>False where a pool has too few blocks to give; then nothing was changed.</returns>
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
                _tables[g][last] = _cache.Take(g);
                group.Store.CopyBlock(shared, _tables[g][last]);
                _cache.Release(g, shared);
            }
            int needed = BlocksFor(Length + tokens);
            Grow(g, needed);
            for (; _lengths[g] < needed; _lengths[g]++, _held[g]++)
                _tables[g][_lengths[g]] = _cache.Take(g);
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
            if (Math.Max(0, BlocksFor(Length + tokens) - _lengths[g]) + copied > _cache.Available(g))
                return false;
        }
        return true;
    }

    /// <summary>Starts this sequence's rows in a batch.</summary>
    public void Begin(Batch batch) => batch.BeginSequence(Length, _tables, StateSlot, Adapter);

    /// <summary>
    /// Counts the next <paramref name="tokens"/> slots as cached, and gives back reserved blocks beyond them and those that fell
    /// out of every later token's window.
    /// </summary>
    /// <remarks>As the tokens are not told, the sequence's further blocks cannot be found by others.</remarks>
    public void Commit(int tokens)
    {
        Follow(null);
        Advance(tokens);
    }

    /// <summary>
    /// As <see cref="Commit(int)"/>, and lets sequences that begin alike find the blocks that are full now.
    /// </summary>
    /// <param name="tokens">How many of the reserved slots count.</param>
    /// <param name="sequence">The sequence's tokens, up to those that are cached now, at least.</param>
    public void Commit(int tokens, ReadOnlySpan<int> sequence)
    {
        if (_prefix is not null)
        {
            PrefixNode end = _prefix;
            while ((end.Depth + 1) * KvFormat.BlockSize <= Length + tokens)
                end = _cache.Prefixes!.Extend(end, sequence.Slice(end.Depth * KvFormat.BlockSize, KvFormat.BlockSize), _tables);
            Follow(end);
        }
        Advance(tokens);
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
        PrefixNode? end = _prefix;
        while (end is not null && end.Depth * KvFormat.BlockSize > length)
            end = end.Parent;
        Follow(end);
        for (int g = 0; g < _tables.Length; g++)
            DropBeyond(g, length);
    }

    /// <summary>Another sequence with the same tokens, sharing their blocks until one of the two writes to them.</summary>
    /// <exception cref="NotSupportedException">The model has a recurrent state, which cannot be shared.</exception>
    public SequenceCache Fork()
    {
        if (_cache.States is not null)
            throw new NotSupportedException("A recurrent state cannot be shared.");
        SequenceCache copy = _cache.CreateSequence(Adapter);
        copy.Length = Length;
        for (int g = 0; g < _tables.Length; g++)
        {
            copy._tables[g] = [.. _tables[g]];
            (copy._lengths[g], copy._held[g], copy._windowed[g]) = (_lengths[g], _held[g], _windowed[g]);
            foreach (int block in BlocksOf(g))
                _cache.Retain(g, block);
        }
        copy.Follow(_prefix);
        return copy;
    }

    /// <summary>Gives everything back.</summary>
    public void Dispose()
    {
        if (_disposed)
            return;
        for (int g = 0; g < _tables.Length; g++)
            DropBeyond(g, 0);
        Follow(null);
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
            if (BlocksOf(g).Count() != _held[g])
                throw new InvalidOperationException($"A sequence that holds {BlocksOf(g).Count()} blocks in group {g} counts {_held[g]}.");
            for (PrefixNode? node = _prefix; node is { Depth: > 0 }; node = node.Parent)
            {
                int own = _tables[g][node.Depth - 1];
                if (own >= 0 && own != node.Blocks[g])
                    throw new InvalidOperationException($"Block {node.Depth - 1} of group {g} is {own} in a sequence but {node.Blocks[g]} in the tree of prefixes.");
            }
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
            if (_tables[g][block] >= 0)
            {
                _cache.Release(g, _tables[g][block]);
                _held[g]--;
            }
            _tables[g][block] = -1;
            _windowed[g] = block + 1;
        }
    }

    private void DropBeyond(int g, int length)
    {
        for (; _lengths[g] > BlocksFor(length); _lengths[g]--)
        {
            int block = _tables[g][_lengths[g] - 1];
            if (block < 0)
                continue;
            _cache.Release(g, block);
            _held[g]--;
        }
        _windowed[g] = Math.Min(_windowed[g], _lengths[g]);
    }

    private void Advance(int tokens)
    {
        Length += tokens;
        for (int g = 0; g < _tables.Length; g++)
        {
            DropBeyond(g, Length);
            GiveBackUnseen(g);
        }
    }

    /// <summary>Makes a table long enough for a number of blocks.</summary>
    private void Grow(int g, int blocks)
    {
        if (blocks > _tables[g].Length)
            Array.Resize(ref _tables[g], Math.Max(blocks, _tables[g].Length * 2));
    }

    /// <summary>Stands at another node of the tree of prefixes, or leaves it.</summary>
    private void Follow(PrefixNode? node)
    {
        if (node != _prefix)
            _cache.Prefixes!.Move(_prefix, node);
        _prefix = node;
    }


    private static int BlocksFor(int tokens) => (tokens + KvFormat.BlockSize - 1) / KvFormat.BlockSize;
}
