namespace Sluice.Compression;

/// <summary>What checkpoint <see cref="CheckpointExporter"/> writes.</summary>
/// <param name="Layout">One of <see cref="Files.CheckpointLayout.Names"/>.</param>
public sealed record ExportOptions(string Layout)
{
    /// <summary>Bits of an integer: 2, 3, 4 or 8 for GPTQ's layouts, 4 for AWQ's.</summary>
    public int Bits { get; init; } = 4;

    /// <summary>Columns that share a scale, a multiple of 32; -1 for whole rows.</summary>
    public int GroupSize { get; init; } = 128;

    /// <summary>Whether no group has a zero point of its own.</summary>
    public bool IsSymmetric { get; init; }

    /// <summary>
    /// How weights are rounded, one of <see cref="QuantizationMethod.OfIntegers"/>. Its grid is the layout's. With rtn, integers that the model has
    /// and the layout can hold go over as they are.
    /// </summary>
    public QuantizationMethod Method { get; init; } = new("rtn");

    /// <summary>Whether maps that are quantized already may be rounded again, which adds to their error.</summary>
    public bool MayRequantize { get; init; }

    /// <summary>Threads; 0 for one a processor.</summary>
    public int Threads { get; init; }
}

/// <summary>What became of a model's maps; each expert's counts.</summary>
/// <param name="Kept">Whose integers went over as they were.</param>
/// <param name="Rounded">That the method rounded.</param>
/// <param name="Unseen">How many of these were rounded to nearest all the same, because no token of the calibration text came to them.</param>
public sealed record ExportResult(int Kept, int Rounded, int Unseen);
