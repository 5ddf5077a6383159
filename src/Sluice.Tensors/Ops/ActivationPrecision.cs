namespace Sluice.Tensors;

/// <summary>
/// How the inputs of linear maps are rounded, and so what weights are multiplied by. But for <see cref="Auto"/>, and
/// <see cref="Int8"/> with integer weights, weights become the floats that they stand for, and products are single precision: slower, and exact
/// but for the activations' own rounding (W4A16, W8A16 and the like).
/// </summary>
public enum ActivationPrecision
{
    /// <summary>As is fastest for the weights: int8 for integers, bfloat16 for BF16, float32 for other floats.</summary>
    Auto,

    /// <summary>Not at all.</summary>
    F32,

    /// <summary>To bfloat16.</summary>
    BF16,

    /// <summary>To 8-bit integers, of which every 32 share a scale: their largest magnitude / 127.</summary>
    Int8,

    /// <summary>To 8-bit floats (E4M3), of which all of a token share a scale: their largest magnitude / 448.</summary>
    FP8,
}
