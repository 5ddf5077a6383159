using Sluice.Tensors.KvFormats;

namespace Sluice.Cache;

/// <summary>How the memory for a cache is divided: computed before anything is allocated, and never exceeded.</summary>
public sealed class KvPlan
{
    private readonly int[] _groupOf;

    private KvPlan(KvFormat format, IReadOnlyList<LayerCache> layers, IReadOnlyList<Group> groups, int[] groupOf, int sequences, int context)
    {
        (Format, Layers, Groups, _groupOf, Sequences, Context) = (format, layers, groups, groupOf, sequences, context);
        Bytes = groups.Sum(group => group.Blocks * KvStore.BlockBytes(format, group.Shape))
            + layers.OfType<RecurrentCache>().Sum(layer => (long)layer.Floats * sizeof(float) * sequences);
    }

    /// <summary>Layers that share block tables.</summary>
    /// <param name="Shape">Their number and rows.</param>
    /// <param name="Retention">Which positions they keep.</param>
    /// <param name="Blocks">The blocks of their pool.</param>
    public sealed record Group(KvShape Shape, Retention Retention, int Blocks);

    /// <summary>How rows are packed.</summary>
    public KvFormat Format { get; }

    /// <summary>What each layer keeps.</summary>
    public IReadOnlyList<LayerCache> Layers { get; }

    /// <summary>The groups.</summary>
    public IReadOnlyList<Group> Groups { get; }

    /// <summary>Sequences of full length that there is room for, at least; so many can have a recurrent state at once.</summary>
    public int Sequences { get; }

    /// <summary>The longest sequence that fits.</summary>
    public int Context { get; }

    /// <summary>All of it, in bytes.</summary>
    public long Bytes { get; }

    /// <summary>The group of an attention layer.</summary>
    public int GroupOf(int layer) => _groupOf[layer];

    /// <summary>Divides memory among a model's layers.</summary>
    /// <param name="layers">What each layer keeps.</param>
    /// <param name="format">How rows are packed.</param>
    /// <param name="context">The tokens that one sequence shall be able to have.</param>
    /// <param name="sequences">How many such sequences there shall be room for, if memory allows.</param>
    /// <param name="stepTokens">The most tokens of a sequence that one step adds, which a windowed layer holds besides its window.</param>
    /// <param name="memory">The bytes to stay within.</param>
    /// <exception cref="InvalidOperationException">Not even one sequence of that length fits.</exception>
    public static KvPlan Create(IReadOnlyList<LayerCache> layers, KvFormat format, int context, int sequences, int stepTokens, long memory)
    {
        (List<Group> groups, int[] groupOf) = FindGroups(layers);
        long one = SequenceBytes(layers, groups, format, context, stepTokens);
        if (one > memory)
            throw new InvalidOperationException($"A context of {context:N0} tokens needs {one:N0} bytes of KV cache ({format.Name}); {memory:N0} bytes are to be had. Ask for a shorter context or allow more memory.");
        int fitting = one == 0 ? sequences : (int)Math.Min(sequences, memory / one);
        Group[] sized = [.. groups.Select(group => group with { Blocks = checked(BlocksFor(group.Retention, context, stepTokens) * fitting) })];
        return new KvPlan(format, layers, sized, groupOf, fitting, context);
    }

    /// <summary>The longest context, up to <paramref name="most"/>, of which one sequence fits in memory; at least 1.</summary>
    public static int LargestContext(IReadOnlyList<LayerCache> layers, KvFormat format, int most, int stepTokens, long memory)
    {
        (List<Group> groups, _) = FindGroups(layers);
        int fits = 1, tooLong = most + 1; // sizes grow with the context: search between the two
        while (tooLong - fits > 1)
        {
            int middle = fits + ((tooLong - fits) / 2);
            if (SequenceBytes(layers, groups, format, middle, stepTokens) <= memory)
                fits = middle;
            else
                tooLong = middle;
        }
        return fits;
    }

    /// <summary>The blocks that a sequence of <paramref name="tokens"/> tokens holds at most in a group.</summary>
    public static int BlocksFor(Retention retention, int tokens, int stepTokens)
    {
        const int Size = KvFormat.BlockSize;
        int all = (tokens + Size - 1) / Size;
        if (retention.Window == 0)
            return all;
        // The window, a step's tokens, and a partly used block at either end; the sinks beside them.
        long kept = (((long)retention.Window + stepTokens + Size - 1) / Size) + 2 + ((retention.SinkTokens + Size - 1) / Size);
        return (int)Math.Min(all, kept);
    }

    private static long SequenceBytes(IReadOnlyList<LayerCache> layers, List<Group> groups, KvFormat format, int context, int stepTokens) => checked(
        layers.OfType<RecurrentCache>().Sum(layer => (long)layer.Floats * sizeof(float))
        + groups.Sum(group => BlocksFor(group.Retention, context, stepTokens) * KvStore.BlockBytes(format, group.Shape)));

    /// <summary>The groups, without blocks yet, and the group of each layer (-1 for recurrent ones).</summary>
    private static (List<Group> Groups, int[] GroupOf) FindGroups(IReadOnlyList<LayerCache> layers)
    {
        List<Group> groups = [];
        int[] groupOf = new int[layers.Count];
        for (int i = 0; i < layers.Count; i++)
        {
            groupOf[i] = -1;
            if (layers[i] is not AttentionCache layer)
                continue;
            int found = groups.FindIndex(g => g.Retention == layer.Retention && g.Shape.Heads == layer.Heads
                && g.Shape.KeyDimension == layer.KeyDimension && g.Shape.ValueDimension == layer.ValueDimension);
            if (found < 0)
            {
                found = groups.Count;
                groups.Add(new Group(new KvShape(0, layer.Heads, layer.KeyDimension, layer.ValueDimension), layer.Retention, 0));
            }
            groupOf[i] = found;
            groups[found] = groups[found] with { Shape = groups[found].Shape with { Layers = groups[found].Shape.Layers + 1 } };
        }
        return (groups, groupOf);
    }
}
