namespace Sluice.Compression;

/// <summary>How thresholds of activations are found.</summary>
public sealed record SparsityOptions
{
    /// <summary>The share of inputs that shall count as zero, unless another is asked for when the model is run.</summary>
    public float Level { get; init; } = 0.4f;

    /// <summary>How it is shared among the maps of a layer.</summary>
    public SparsityAllocation Allocation { get; init; }

    /// <summary>How many tokens of the text are run, in chunks spread evenly over it; less where the text is shorter.</summary>
    public int Tokens { get; init; } = 16 * 512;

    /// <summary>Tokens of a chunk.</summary>
    public int ChunkLength { get; init; } = 512;

    /// <summary>Threads; 0 for one on each physical core.</summary>
    public int Threads { get; init; }
}
