using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>How the types of a mixed-precision model are found.</summary>
public sealed record MixedPrecisionOptions
{
    /// <summary>
    /// Those of the most bits' worth at each size; and TQ2_0, in which ternary models lose nothing. A type that another betters in both size and
    /// error costs no measurement.
    /// </summary>
    public static IReadOnlyList<WeightFormat> DefaultTypes { get; } =
    [
        .. new[] { "TQ2_0", "IQ2_XXS", "IQ2_XS", "IQ2_S", "Q2_K", "IQ3_XXS", "IQ3_S", "Q3_K", "IQ4_XS", "MXFP4", "Q4_K", "Q5_K", "Q6_K", "Q8_0" }.Select(WeightFormats.Get),
    ];

    /// <summary>What tensors may get; what stands in for a type where rows are no multiple of its blocks counts as it.</summary>
    public IReadOnlyList<WeightFormat> Types { get; init; } = DefaultTypes;

    /// <summary>How a tensor's loss is found.</summary>
    public Sensitivity Sensitivity { get; init; }

    /// <summary>Bits of a weight near which a probe is made.</summary>
    public double ProbeBits { get; init; } = 4.25;

    /// <summary>
    /// How many tokens of held-out text each measurement of a divergence runs; less where the text is shorter, or where the predictions for them
    /// would take more than <see cref="CalibrationOptions.Memory"/> (a chunk at least).
    /// </summary>
    public int Tokens { get; init; } = 4096;
}

/// <summary>How it is found what quantizing a tensor costs.</summary>
public enum Sensitivity
{
    /// <summary>
    /// The error of the tensor's outputs, trace(E H E^T) with the Gram matrix H of its inputs, times what such an error costs: measured once a
    /// tensor, at one type. Divergences of small errors are quadratic in them, so this is their second order.
    /// </summary>
    Fast,

    /// <summary>The divergence is measured for each tensor and type.</summary>
    Kl,
}
