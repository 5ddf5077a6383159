using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>The blocks of a GGUF format: a block's scales are those that the format's own quantizer chooses.</summary>
public sealed class BlockGrid : Grid
{
    private readonly BlockCodes _codes;

    /// <summary>The grid of a format.</summary>
    /// <exception cref="NotSupportedException">The format's weights do not each have a code of their own, or it cannot be written.</exception>
    public BlockGrid(WeightFormat format)
    {
        if (format.Integer is not { CanQuantize: true } integer || BlockCodes.Of(integer) is not { } codes)
            throw new NotSupportedException($"Weights cannot be rounded one by one to {format.Name}.");
        (Format, _codes) = (integer, codes);
    }

    /// <summary>The format.</summary>
    public IntegerFormat Format { get; }

    /// <inheritdoc/>
    public override int FitSize => Format.BlockSize;

    /// <inheritdoc/>
    public override int StepSize => Format.GroupSize;

    /// <inheritdoc/>
    public override int BlockBytes => Format.BlockBytes;

    /// <summary>Whether a format has such a grid.</summary>
    public static bool Exists(WeightFormat format) =>
        format.Integer is { CanQuantize: true } integer && BlockCodes.Of(integer) is not null;

    /// <inheritdoc/>
    public override void Fit(ReadOnlySpan<float> values, ReadOnlySpan<float> importance, Span<Step> steps, Span<byte> block)
    {
        Span<sbyte> quants = stackalloc sbyte[FitSize];
        Span<float> scales = stackalloc float[steps.Length], mins = stackalloc float[Format.HasMin ? steps.Length : 0];
        Format.Quantize(values, block, importance);
        Format.Decompose(block, quants, scales, mins);
        for (int i = 0; i < steps.Length; i++)
            steps[i] = new Step(scales[i], Format.HasMin ? mins[i] : 0);
    }

    /// <inheritdoc/>
    public override int Nearest(float value, in Step step) => _codes.Nearest(step.Scale == 0 ? 0 : (value - step.Min) / step.Scale);

    /// <inheritdoc/>
    public override void Store(Span<byte> block, ReadOnlySpan<short> codes) => _codes.Write(block, codes);
}
