using Sluice.Tensors.Formats;

namespace Sluice.Tensors;

/// <summary>
/// How the inputs of linear maps are rounded, and so what weights are multiplied by: W4A16, W8A8 and the like. <see cref="Products"/> says
/// what is multiplied for each format of weights.
/// </summary>
public enum ActivationPrecision
{
    /// <summary>As is fastest without a loss that shows: int8 for integers, bfloat16 for BF16, FP8, NF4 and FP4, float32 for other floats.</summary>
    Auto,

    /// <summary>Not at all.</summary>
    F32,

    /// <summary>To bfloat16.</summary>
    BF16,

    /// <summary>To 8-bit integers, of which every 32 (256 where blocks of weights have as many) share a scale: their largest magnitude / 127.</summary>
    Int8,

    /// <summary>To 8-bit integers, of which all of a token share a scale, as SmoothQuant has them.</summary>
    Int8Token,

    /// <summary>To 8-bit floats (E4M3), of which all of a token share a scale: their largest magnitude / 448.</summary>
    FP8,

    /// <summary>
    /// To 8-bit integers, of which all tokens share a scale that was found beforehand: the map's <see cref="WeightData.InputRange"/> / 127. What
    /// is larger is clipped. Maps without a range are as with <see cref="Int8Token"/>.
    /// </summary>
    Int8Static,

    /// <summary>To 8-bit floats (E4M3), likewise: the range / 448. Maps without a range are as with <see cref="FP8"/>.</summary>
    FP8Static,
}

/// <summary>Static scales: those that do not depend on the token.</summary>
public static class StaticScales
{
    /// <summary>Whether inputs are rounded in a range that was found beforehand.</summary>
    public static bool IsStatic(this ActivationPrecision activations) => activations is ActivationPrecision.Int8Static or ActivationPrecision.FP8Static;

    /// <summary>The same rounding with a scale a token, as where no range is known.</summary>
    public static ActivationPrecision Dynamic(this ActivationPrecision activations) => activations switch
    {
        ActivationPrecision.Int8Static => ActivationPrecision.Int8Token,
        ActivationPrecision.FP8Static => ActivationPrecision.FP8,
        _ => activations,
    };
}

/// <summary>What a linear map multiplies.</summary>
public enum Product
{
    /// <summary>Integers by integers; exact sums, then scales of both.</summary>
    Int8,

    /// <summary>Numbers that are bfloat16, summed in single precision; then, where weights have them, their scales.</summary>
    BFloat16,

    /// <summary>Singles.</summary>
    Float32,
}

/// <summary>The one table of which products weights meet activations in.</summary>
public static class Products
{
    /// <summary>The product of weights of a format with activations that are rounded so.</summary>
    public static Product Of(WeightFormat format, ActivationPrecision activations)
    {
        bool isBFloat16 = activations.Dynamic() is ActivationPrecision.BF16 or ActivationPrecision.FP8, isAuto = activations == ActivationPrecision.Auto;
        return format switch
        {
            // Their integers are exact as bfloat16.
            IntegerFormat => isBFloat16 ? Product.BFloat16 : activations == ActivationPrecision.F32 ? Product.Float32 : Product.Int8,
            // FP8's levels are exact as bfloat16; those of NF4 and FP4 are rounded, by 0.2 % at most, and QLoRA computes with them so too.
            BF16 or ScaledFloats => isBFloat16 || isAuto ? Product.BFloat16 : Product.Float32,
            _ => Product.Float32,
        };
    }
}
