namespace Sluice.Tensors.Formats;

/// <summary>
/// 32 weights of 4 bits with one scale: <c>value = d * (q - 8)</c>. 4.5 bits per weight.
/// <code>
/// byte 0   d   half
///      2   qs  16 bytes; byte j: | weight j+16 | weight j |   (high and low 4 bits)
/// </code>
/// Layout: ggml block_q4_0.
/// </summary>
internal sealed class Q4_0()
    : IntegerFormat(TensorType.Q4_0, blockSize: 32, blockBytes: 18, groupSize: 32, lowest: -8, highest: 7)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales[0] = Fields.Half(block, 0);
        Fields.Extract(block[2..], shift: 0, bits: 4, quants[..16]);
        Fields.Extract(block[2..], shift: 4, bits: 4, quants[16..]);
        Fields.Add(quants, -8);
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> quants = stackalloc sbyte[32];
        float d;
        if (importance.IsEmpty)
        {
            // The largest weight becomes -8, the end of the range that reaches further.
            d = Fit.Extreme(values) / -8;
            float inverse = d == 0 ? 0 : 1 / d;
            for (int i = 0; i < 32; i++)
                quants[i] = (sbyte)Math.Min(15, (int)(values[i] * inverse + 8.5f));
        }
        else
        {
            Span<float> weights = stackalloc float[32];
            for (int i = 0; i < 32; i++)
                weights[i] = importance[i] * MathF.Sqrt(meanSquare + values[i] * values[i]);
            d = Fit.Symmetric(values, weights, 8, quants);
            Fields.Add(quants, 8);
        }
        Fields.WriteHalf(d, block, 0);
        block[2..].Clear();
        Fields.Deposit(quants[..16], shift: 0, bits: 4, at: 0, block[2..]);
        Fields.Deposit(quants[16..], shift: 0, bits: 4, at: 4, block[2..]);
    }
}
