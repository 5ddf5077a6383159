using System.Runtime.InteropServices;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 32 weights of 8 bits with one scale: <c>value = d * q</c>. 8.5 bits per weight.
/// <code>
/// byte 0   d   half
///      2   qs  32 signed bytes
/// </code>
/// Layout: ggml block_q8_0.
/// </summary>
internal sealed class Q8_0()
    : IntegerFormat(TensorType.Q8_0, blockSize: 32, blockBytes: 34, groupSize: 32, lowest: -128, highest: 127)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales[0] = Fields.Half(block, 0);
        MemoryMarshal.Cast<byte, sbyte>(block[2..]).CopyTo(quants);
    }

    public override bool CanQuantize => true;

    // Rounding to the largest weight's scale leaves so little error that importance changes nothing.
    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        float largest = 0;
        foreach (float value in values)
            largest = MathF.Max(largest, MathF.Abs(value));
        float d = largest / 127;
        float inverse = d == 0 ? 0 : 1 / d;
        Fields.WriteHalf(d, block, 0);
        for (int i = 0; i < 32; i++)
            block[2 + i] = (byte)(sbyte)MathF.Round(values[i] * inverse, MidpointRounding.AwayFromZero);
    }
}
