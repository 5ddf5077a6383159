using System.Text.RegularExpressions;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>What a model shall become.</summary>
public sealed record QuantizationOptions
{
    /// <summary>The mix of types.</summary>
    public required TypeMix Mix { get; init; }

    /// <summary>The type of the output map, whatever the mix says.</summary>
    public TensorType? OutputType { get; init; }

    /// <summary>The type of the token embeddings, whatever the mix says.</summary>
    public TensorType? EmbeddingType { get; init; }

    /// <summary>Types of tensors whose name a pattern matches; the first that does decides, before all else.</summary>
    public IReadOnlyList<(Regex Pattern, TensorType Type)> TensorTypes { get; init; } = [];

    /// <summary>Whether all matrices get the mix's base type.</summary>
    public bool IsPure { get; init; }

    /// <summary>Whether tensors that are quantized already may be quantized again, which adds to their error.</summary>
    public bool MayRequantize { get; init; }

    /// <summary>Whether the parts of a split model become as many files.</summary>
    public bool KeepSplit { get; init; }

    /// <summary>Threads; 0 for one a processor.</summary>
    public int Threads { get; init; }

    /// <summary>What an error in each column of each matrix counts; null for none.</summary>
    public ImportanceMatrix? Importance { get; init; }
}
