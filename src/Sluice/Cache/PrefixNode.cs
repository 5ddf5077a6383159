using System.Diagnostics.CodeAnalysis;

namespace Sluice.Cache;

/// <summary>A block's worth of tokens in the <see cref="PrefixTree"/>, after those of its parents, and where its rows are cached.</summary>
internal sealed class PrefixNode
{
    private readonly int[] _tokens;
    private PrefixKey? _key; // computed once it is asked for
    private Dictionary<int[], PrefixNode>? _children; // most nodes have none or few, so it comes with the first

    public PrefixNode(PrefixNode? parent, ReadOnlySpan<int> tokens, int groups)
    {
        (Parent, Depth) = (parent, parent is null ? 0 : parent.Depth + 1);
        _tokens = tokens.ToArray();
        Blocks = new int[groups];
        Array.Fill(Blocks, -1);
    }

    /// <summary>The tokens before; null for the root, which has no tokens of its own.</summary>
    public PrefixNode? Parent { get; }

    /// <summary>Its own tokens.</summary>
    public ReadOnlySpan<int> Tokens => _tokens;

    /// <summary>What names the tokens up to here wherever they are kept: under each root another name, for its rows are others.</summary>
    public PrefixKey Key => _key ??= Parent is null ? PrefixKey.Unique() : Parent.Key.Next(_tokens);

    /// <summary>How many nodes there are from the root to this one, the root not counted.</summary>
    public int Depth { get; }

    /// <summary>The block in each cache group; -1 where the group no longer has it.</summary>
    public int[] Blocks { get; }

    /// <summary>The sequences of which this is the last node.</summary>
    public int Users { get; set; }

    /// <summary>The nodes that go on from here.</summary>
    public IReadOnlyCollection<PrefixNode> Children => _children is null ? [] : _children.Values;

    /// <summary>Whether no node goes on from here.</summary>
    public bool IsLeaf => _children is null or { Count: 0 };

    /// <summary>The node that goes on with these tokens; null if there is none.</summary>
    public PrefixNode? Child(ReadOnlySpan<int> tokens) =>
        _children is not null && _children.GetAlternateLookup<ReadOnlySpan<int>>().TryGetValue(tokens, out PrefixNode? child) ? child : null;

    /// <summary>Adds a node that goes on with these tokens.</summary>
    public PrefixNode Add(ReadOnlySpan<int> tokens)
    {
        PrefixNode child = new(this, tokens, Blocks.Length);
        (_children ??= new Dictionary<int[], PrefixNode>(TokenComparer.Instance)).Add(child._tokens, child);
        return child;
    }

    /// <summary>Takes the node out of its parent's children.</summary>
    public void Detach()
    {
        if (Parent?._children?.Remove(_tokens) != true)
            throw new InvalidOperationException("A prefix is not where it was put.");
    }

    /// <summary>Equal tokens, wherever they lie. The hash only speeds up: tokens are always compared.</summary>
    private sealed class TokenComparer : IEqualityComparer<int[]>, IAlternateEqualityComparer<ReadOnlySpan<int>, int[]>
    {
        public static readonly TokenComparer Instance = new();

        public bool Equals(int[]? x, int[]? y) => x.AsSpan().SequenceEqual(y);

        public bool Equals(ReadOnlySpan<int> alternate, int[] other) => alternate.SequenceEqual(other);

        public int GetHashCode([DisallowNull] int[] tokens) => GetHashCode(tokens.AsSpan());

        public int GetHashCode(ReadOnlySpan<int> tokens)
        {
            // Seeded anew in every process, so that nobody can make up prompts that collide.
            HashCode hash = default;
            hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(tokens));
            return hash.ToHashCode();
        }

        public int[] Create(ReadOnlySpan<int> alternate) => alternate.ToArray();
    }
}
