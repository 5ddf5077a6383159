using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>What becomes of a tensor.</summary>
/// <param name="Tensor">The tensor as it is stored.</param>
/// <param name="Format">What it becomes; null for one that is copied (integers).</param>
/// <param name="Unfit">The type it should have had, of whose blocks its rows are no multiple; null if it has the one it should.</param>
public sealed record TensorPlan(TensorInfo Tensor, WeightFormat? Format, WeightFormat? Unfit = null)
{
    /// <summary>Whether its type is the mix's choice: it is a matrix, and no option gives it a type of its own.</summary>
    public bool IsFree { get; init; }

    /// <summary>Whether its type is not to be chosen: of vectors, routers and what is small and decides much.</summary>
    public bool IsKept { get; init; }

    /// <summary>Bytes that it will take.</summary>
    public long Bytes => Format?.Bytes(Tensor.Count) ?? Tensor.Bytes;

    /// <summary>Whether its type changes.</summary>
    public bool IsConverted => Format is not null && Format.Type != Tensor.Type;
}
