using Sluice.Tensors;
using Sluice.Tensors.KvFormats;

namespace Sluice.Cache;

/// <summary>
/// Full cache blocks by their content (RadixAttention, Zheng et al. 2023): a node for each block's worth of tokens after given
/// ones, so that equal beginnings are cached once, and stay when the sequences that made them end. The tree holds one reference
/// to each of its blocks. Those that nobody else holds are evicted when their pool has nothing else, the longest unused first.
/// </summary>
/// <remarks>
/// Rows of a token depend on the tokens before it alone, so the blocks of equal beginnings are equal to the bit, whoever made
/// them. In groups without a window a node always has its block, and whoever holds a block holds those before it too; as
/// sequences let go of their last block first, the front of the group's list is always a leaf. In windowed groups a node's block
/// may be evicted alone: the node is then of use only to sequences long enough not to see that block.
/// </remarks>
internal sealed class PrefixTree
{
    private const int Size = KvFormat.BlockSize;
    private readonly IReadOnlyList<CacheGroup> _groups;
    private readonly PrefixNode?[][] _owners; // for each group and block, the node that has it
    private readonly DiskTier? _disk;
    private readonly BlockList[] _unused; // for each group, the blocks that only the tree holds
    private readonly Dictionary<Adapter, PrefixNode> _adapted = []; // the empty beginnings of sequences with an adapter

    /// <param name="groups">The groups.</param>
    /// <param name="disk">Where evicted blocks go; null for nowhere. Only where no group has a window.</param>
    public PrefixTree(IReadOnlyList<CacheGroup> groups, DiskTier? disk = null)
    {
        (_groups, _disk) = (groups, disk);
        _owners = [.. groups.Select(group => new PrefixNode?[group.Pool.Count])];
        _unused = [.. groups.Select(group => new BlockList(group.Pool.Count))];
        Root = new PrefixNode(null, [], groups.Count);
    }

    /// <summary>The empty beginning of sequences without an adapter.</summary>
    public PrefixNode Root { get; }

    /// <summary>The empty beginning of sequences with an adapter, whose rows are others for the same tokens.</summary>
    public PrefixNode RootOf(Adapter? adapter)
    {
        if (adapter is null)
            return Root;
        if (!_adapted.TryGetValue(adapter, out PrefixNode? root))
            _adapted.Add(adapter, root = new PrefixNode(null, [], _groups.Count));
        return root;
    }

    /// <summary>Gives up what is cached of an adapter's sequences, of which there are none any more.</summary>
    public void Forget(Adapter adapter)
    {
        if (!_adapted.Remove(adapter, out PrefixNode? root))
            return;
        Stack<PrefixNode> open = new(root.Children);
        while (open.TryPop(out PrefixNode? node))
        {
            for (int g = 0; g < _groups.Count; g++)
                Drop(node, g);
            foreach (PrefixNode child in node.Children)
                open.Push(child);
        }
    }

    /// <summary>The blocks that were evicted so far, of all groups.</summary>
    public long Evictions { get; private set; }

    /// <summary>The blocks of a group that are cached and nobody uses: what eviction can free.</summary>
    public int Unused(int group) => _unused[group].Count;

    /// <summary>
    /// The deepest node at or below <paramref name="from"/> that goes on with the tokens and from which a sequence can go on:
    /// everything that its next token sees is cached.
    /// </summary>
    public PrefixNode Match(PrefixNode from, ReadOnlySpan<int> tokens)
    {
        PrefixNode best = from, node = from;
        long usableFrom = 0; // the length at which no missing block is seen any more
        for (; tokens.Length >= Size; tokens = tokens[Size..])
        {
            if (node.Child(tokens[..Size]) is not { } child)
                break;
            node = child;
            for (int g = 0; g < _groups.Count; g++)
            {
                if (node.Blocks[g] >= 0)
                    continue;
                (int first, int last) = Positions(node);
                Retention retention = _groups[g].Retention;
                usableFrom = Math.Max(usableFrom, first < retention.SinkTokens ? long.MaxValue : (long)last + retention.Window);
            }
            if ((long)node.Depth * Size >= usableFrom)
                best = node;
        }
        return best;
    }

    /// <summary>The block after a node that goes on with the most of the tokens, though not with all that it holds.</summary>
    /// <returns>Its node, if it is there in every group, and how many tokens.</returns>
    public static (PrefixNode? Node, int Tokens) Nearest(PrefixNode from, ReadOnlySpan<int> tokens)
    {
        (PrefixNode? Node, int Tokens) best = default;
        foreach (PrefixNode child in from.Children)
        {
            int alike = tokens.CommonPrefixLength(child.Tokens);
            if (alike > best.Tokens && !child.Blocks.Contains(-1))
                best = (child, alike);
        }
        return best;
    }

    /// <summary>
    /// Goes on from a node with a block of tokens that a sequence has computed. Where the tree has the block already, the
    /// sequence's own is exchanged for it; where it has not, it shares the sequence's.
    /// </summary>
    public PrefixNode Extend(PrefixNode from, ReadOnlySpan<int> tokens, int[][] tables)
    {
        PrefixNode node = from.Child(tokens) ?? from.Add(tokens);
        int index = node.Depth - 1;
        for (int g = 0; g < _groups.Count; g++)
        {
            int own = tables[g][index], cached = node.Blocks[g];
            if (own < 0 || own == cached)
                continue;
            if (cached >= 0)
            {
                Retain(g, cached);
                tables[g][index] = cached;
                Release(g, own);
            }
            else
            {
                if (_owners[g][own] is not null)
                    throw new InvalidOperationException($"Block {own} of group {g} is cached for other tokens.");
                _groups[g].Pool.Retain(own);
                (node.Blocks[g], _owners[g][own]) = (own, node);
            }
        }
        return node;
    }

    /// <summary>Adds a sequence's reference to a block.</summary>
    public void Retain(int group, int block)
    {
        if (_unused[group].Contains(block))
            _unused[group].Remove(block);
        _groups[group].Pool.Retain(block);
    }

    /// <summary>Drops a sequence's reference to a block; one of the tree's may be evicted once nobody uses it.</summary>
    public void Release(int group, int block)
    {
        _groups[group].Pool.Release(block);
        if (_owners[group][block] is not null && _groups[group].Pool.References(block) == 1)
            _unused[group].Append(block);
    }

    /// <summary>Notes that a sequence's last node is another one now; null before it has one and when it ends.</summary>
    public void Move(PrefixNode? from, PrefixNode? to)
    {
        if (to is not null)
            to.Users++;
        if (from is null)
            return;
        from.Users--;
        Prune(from);
    }

    /// <summary>Frees the block of a group that was unused the longest.</summary>
    /// <returns>Whether there was one.</returns>
    public bool TryEvict(int group)
    {
        if (_unused[group].Count == 0)
            return false;
        PrefixNode node = _owners[group][_unused[group].First]!;
        if (_groups[group].Retention.Window > 0)
        {
            Drop(node, group);
        }
        else
        {
            if (!node.IsLeaf || node.Users > 0)
                throw new InvalidOperationException("A cached block is unused, but one after it is in use.");
            _disk?.Save(node.Key, node.Blocks);
            for (int g = 0; g < _groups.Count; g++)
                Drop(node, g);
        }
        Prune(node);
        return true;
    }

    /// <summary>Every block that the tree holds in a group.</summary>
    public IEnumerable<int> BlocksOf(int group) => Enumerable.Range(0, _owners[group].Length).Where(block => _owners[group][block] is not null);

    /// <summary>Checks the tree against the books of the pools.</summary>
    /// <exception cref="InvalidOperationException">They do not agree; the message says where.</exception>
    public void CheckIntegrity()
    {
        int[] counts = new int[_groups.Count];
        Check(Root, counts);
        foreach (PrefixNode root in _adapted.Values)
            Check(root, counts);
        for (int g = 0; g < _groups.Count; g++)
        {
            if (BlocksOf(g).Count() != counts[g])
                throw new InvalidOperationException($"Group {g} has cached blocks that the tree does not lead to.");
            HashSet<PrefixNode> gone = [];
            foreach (int block in _unused[g].All())
            {
                PrefixNode node = _owners[g][block] ?? throw new InvalidOperationException($"Block {block} of group {g} is to be evicted but is not cached.");
                if (_groups[g].Retention.Window == 0 && !node.Children.All(gone.Contains))
                    throw new InvalidOperationException($"Block {block} of group {g} would be evicted before one after it.");
                gone.Add(node);
            }
        }
    }

    private void Check(PrefixNode root, int[] counts)
    {
        Stack<PrefixNode> open = new(root.Children);
        while (open.TryPop(out PrefixNode? node))
        {
            if (node.IsLeaf && node.Users == 0 && node.Blocks.All(block => block < 0))
                throw new InvalidOperationException("The tree has a leaf without blocks.");
            for (int g = 0; g < _groups.Count; g++)
            {
                int block = node.Blocks[g];
                if (block < 0)
                {
                    if (_groups[g].Retention.Window == 0)
                        throw new InvalidOperationException($"A prefix has lost its block of group {g}.");
                    continue;
                }
                counts[g]++;
                if (_owners[g][block] != node)
                    throw new InvalidOperationException($"Block {block} of group {g} has a wrong owner.");
                if (_unused[g].Contains(block) != (_groups[g].Pool.References(block) == 1))
                    throw new InvalidOperationException($"Block {block} of group {g} has {_groups[g].Pool.References(block)} references and is wrongly listed.");
            }
            foreach (PrefixNode child in node.Children)
                open.Push(child);
        }
    }

    private void Drop(PrefixNode node, int group)
    {
        int block = node.Blocks[group];
        if (block < 0)
            return;
        if (_unused[group].Contains(block))
        {
            _unused[group].Remove(block);
            Evictions++;
        }
        _owners[group][block] = null;
        node.Blocks[group] = -1;
        _groups[group].Pool.Release(block);
    }

    /// <summary>Removes nodes that lead nowhere and have nothing left.</summary>
    private void Prune(PrefixNode node)
    {
        while (node.Parent is { } parent && node.IsLeaf && node.Users == 0 && node.Blocks.AsSpan().IndexOfAnyExcept(-1) < 0)
        {
            node.Detach();
            node = parent;
        }
    }

    private static (int First, int Last) Positions(PrefixNode node) => ((node.Depth - 1) * Size, (node.Depth * Size) - 1);
}
