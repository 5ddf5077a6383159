namespace Sluice.Compression;

/// <summary>How a model is calibrated.</summary>
public sealed record CalibrationOptions
{
    /// <summary>How many tokens of the text are run, in chunks spread evenly over it; less where the text is shorter.</summary>
    public int Tokens { get; init; } = 128 * 512;

    /// <summary>The share of the text, at its end, that is not run but kept for measurements (<see cref="Calibrator.HeldOut"/>).</summary>
    public double HeldOut { get; init; }

    /// <summary>Tokens of a chunk.</summary>
    public int ChunkLength { get; init; } = 512;

    /// <summary>
    /// The bytes that statistics may take at once: a layer whose maps' take more is run several times. One map's are always held, and beside them
    /// the text's rows between layers, <see cref="Tokens"/> times the embedding's width in float32.
    /// </summary>
    public long Memory { get; init; } = 640L << 20;

    /// <summary>Inputs of each matrix that are kept as they were, where a method needs them.</summary>
    public int Samples { get; init; }

    /// <summary>Threads; 0 for one on each physical core.</summary>
    public int Threads { get; init; }
}
