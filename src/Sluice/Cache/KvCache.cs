using Sluice.Tensors;
using Sluice.Tensors.KvFormats;

namespace Sluice.Cache;

/// <summary>
/// The cache of all sequences of a model. Layers of equal row shape and retention form a group with a block pool and, for each
/// sequence, a block table of its own, so that windowed layers give blocks back while others keep theirs.
/// </summary>
/// <remarks>One thread uses it: the one that runs the engine's steps.</remarks>
public sealed class KvCache : IDisposable
{
    private readonly KvLayer[] _attention;
    private readonly (StateStore? Store, int Index)[] _recurrent;
    private readonly Stack<int> _freeStates = new();
    private readonly HashSet<SequenceCache> _sequences = [];

    /// <summary>Allocates the cache that a plan describes.</summary>
    /// <param name="plan">What to allocate.</param>
    /// <param name="keepsPrefixes">
    /// Whether blocks of sequences that ended stay cached for others that begin alike, as far as there is room. A model with a
    /// recurrent state cannot: the state at the end of a block is nowhere kept.
    /// </param>
    public KvCache(KvPlan plan, bool keepsPrefixes = false)
    {
        Plan = plan;
        Groups = [.. plan.Groups.Select((group, index) => new CacheGroup(group, new KvStore(plan.Format, index, group.Shape, group.Blocks)))];
        int floats = plan.Layers.OfType<RecurrentCache>().Select(layer => layer.Floats).DefaultIfEmpty().Max();
        int recurrentLayers = plan.Layers.OfType<RecurrentCache>().Count();
        if (recurrentLayers > 0)
        {
            States = new StateStore(plan.Sequences, recurrentLayers, floats);
            for (int slot = plan.Sequences - 1; slot >= 0; slot--)
                _freeStates.Push(slot);
        }
        _attention = new KvLayer[plan.Layers.Count];
        _recurrent = new (StateStore?, int)[plan.Layers.Count];
        if (keepsPrefixes && States is null)
            Prefixes = new PrefixTree(Groups);
        int[] next = new int[Groups.Count];
        int state = 0;
        for (int i = 0; i < plan.Layers.Count; i++)
        {
            if (plan.Layers[i] is AttentionCache)
            {
                int group = plan.GroupOf(i);
                _attention[i] = Groups[group].Store.Layer(next[group]++);
            }
            else
            {
                _recurrent[i] = (States, state++);
            }
        }
    }

    /// <summary>What was allocated, and why.</summary>
    public KvPlan Plan { get; }

    /// <summary>The groups of attention layers.</summary>
    public IReadOnlyList<CacheGroup> Groups { get; }

    /// <summary>The recurrent states, if the model has any.</summary>
    public StateStore? States { get; }

    /// <summary>The sequences that hold blocks.</summary>
    public int Sequences => _sequences.Count;

    /// <summary>Blocks that were given up, after they were cached for reuse, because others needed room.</summary>
    public long Evictions => Prefixes?.Evictions ?? 0;

    /// <summary>Blocks by content; null where none are kept.</summary>
    internal PrefixTree? Prefixes { get; }

    /// <summary>Whether another sequence can have a recurrent state, where the model needs one.</summary>
    public bool HasFreeState => States is null || _freeStates.Count > 0;

    /// <summary>The rows of an attention layer.</summary>
    public KvLayer Attention(int layer) => _attention[layer];

    /// <summary>A part of a recurrent layer's state: <paramref name="count"/> floats from <paramref name="start"/>.</summary>
    public StateLayer Recurrent(int layer, int start, int count) =>
        (_recurrent[layer].Store ?? throw new InvalidOperationException($"Layer {layer} has no recurrent state.")).Layer(_recurrent[layer].Index, start, count);

    /// <summary>A new, empty sequence.</summary>
    /// <param name="adapter">What linear maps add for its rows, if anything.</param>
    /// <exception cref="InvalidOperationException">There is no free recurrent state (<see cref="HasFreeState"/>).</exception>
    public SequenceCache CreateSequence(Adapter? adapter = null)
    {
        int state = 0;
        if (States is not null && !_freeStates.TryPop(out state))
            throw new InvalidOperationException($"All {States.Slots} recurrent states are taken.");
        SequenceCache sequence = new(this, state, adapter);
        _sequences.Add(sequence);
        return sequence;
    }

    /// <summary>The blocks of a group that are kept for reuse while no sequence holds them.</summary>
    public int Cached(int group) => Prefixes?.Unused(group) ?? 0;

    /// <summary>The blocks of a group that can be had: the free ones, and those that can be evicted.</summary>
    public int Available(int group) => Groups[group].Pool.Free + Cached(group);

    /// <summary>Takes a block of a group, evicting a cached one where none is free.</summary>
    internal int Take(int group)
    {
        BlockPool pool = Groups[group].Pool;
        if (pool.Free == 0)
            Prefixes?.TryEvict(group);
        return pool.TryAllocate(out int block) ? block : throw new InvalidOperationException("There are fewer blocks to be had than there should be.");
    }

    /// <summary>Adds a sequence's reference to a block.</summary>
    internal void Retain(int group, int block)
    {
        if (Prefixes is null)
            Groups[group].Pool.Retain(block);
        else
            Prefixes.Retain(group, block);
    }

    /// <summary>Drops a sequence's reference to a block.</summary>
    internal void Release(int group, int block)
    {
        if (Prefixes is null)
            Groups[group].Pool.Release(block);
        else
            Prefixes.Release(group, block);
    }

    /// <summary>Gives up what is cached of an adapter's sequences, of which there are none any more.</summary>
    internal void Forget(Adapter adapter) => Prefixes?.Forget(adapter);

    internal void Remove(SequenceCache sequence)
    {
        _sequences.Remove(sequence);
        if (States is not null)
            _freeStates.Push(sequence.StateSlot);
    }

    /// <summary>Checks the books of all groups against the block tables of all sequences.</summary>
    /// <exception cref="InvalidOperationException">They do not agree; the message says where.</exception>
    public void CheckIntegrity()
    {
        foreach (SequenceCache sequence in _sequences)
            sequence.CheckIntegrity();
        for (int g = 0; g < Groups.Count; g++)
            Groups[g].Pool.CheckIntegrity(_sequences.SelectMany(sequence => sequence.BlocksOf(g)).Concat(Prefixes?.BlocksOf(g) ?? []));
        Prefixes?.CheckIntegrity();
        if (States is not null && _freeStates.Concat(_sequences.Select(s => s.StateSlot)).Distinct().Count() != States.Slots)
            throw new InvalidOperationException("A recurrent state is lost or shared.");
    }

    /// <summary>Frees the memory.</summary>
    public void Dispose()
    {
        foreach (CacheGroup group in Groups)
            group.Store.Dispose();
        States?.Dispose();
    }
}

/// <summary>Layers that share block tables: their books and their memory.</summary>
public sealed class CacheGroup
{
    internal CacheGroup(KvPlan.Group plan, KvStore store) => (Retention, Store, Pool) = (plan.Retention, store, new BlockPool(plan.Blocks));

    /// <summary>Which positions are kept.</summary>
    public Retention Retention { get; }

    /// <summary>The memory.</summary>
    public KvStore Store { get; }

    /// <summary>The books.</summary>
    public BlockPool Pool { get; }
}
