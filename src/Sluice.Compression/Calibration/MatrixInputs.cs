using Sluice.Files;

namespace Sluice.Compression;

/// <summary>The inputs that some matrices have in common, as a model's forward pass shows them.</summary>
/// <param name="Names">The stored tensors, as <c>blk.0.attn_q.weight</c>.</param>
/// <param name="Columns">The inputs' width.</param>
/// <param name="Experts">Matrices of each tensor, each with inputs of its own.</param>
/// <param name="Layer">The layer that they are of; for the output map as many as there are layers.</param>
internal sealed record MatrixInputs(IReadOnlyList<string> Names, int Columns, int Experts, int Layer)
{
    /// <summary>
    /// Whether these are inputs of a layer's map whose rounding does little harm: not of the output map; nor of a router, whose choices are too few
    /// to be spoiled; nor of a part of a tensor that the file has whole (latent attention).
    /// </summary>
    public static bool IsOfLayer(string tensor, ModelFile file) => tensor.StartsWith("blk.", StringComparison.Ordinal)
        && !tensor.Contains(".ffn_gate_inp", StringComparison.Ordinal) && file.Tensors.ContainsKey(tensor);

    /// <summary>What the names of a layer's tensors begin with, as <c>blk.0</c>.</summary>
    public static string LayerOf(string tensor) => string.Join('.', tensor.Split('.').Take(2));
}
