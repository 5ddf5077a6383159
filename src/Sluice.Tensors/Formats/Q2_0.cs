namespace Sluice.Tensors.Formats;

/// <summary>
/// 64 weights of 2 bits with one scale: <c>value = d * (q - 1)</c>. 2.25 bits per weight.
/// <code>
/// byte 0   d   half
///      2   qs  16 bytes; byte j: | weight 4 j + 3 | 4 j + 2 | 4 j + 1 | 4 j |
/// </code>
/// Layout: ggml block_q2_0.
/// </summary>
internal sealed class Q2_0()
    : IntegerFormat(TensorType.Q2_0, blockSize: 64, blockBytes: 18, groupSize: 32, lowest: -1, highest: 2)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales.Fill(Fields.Half(block, 0));
        for (int i = 0; i < 64; i++)
            quants[i] = (sbyte)(((block[2 + i / 4] >> (i % 4 * 2)) & 3) - 1);
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> codes = stackalloc sbyte[64];
        ScaledBlock scaled = new(values, importance, stackalloc float[128]);
        float d = new SymmetricFit<Integers>(scaled.Values, scaled.Weights, new Integers(-1, 2)).Search();
        Fit.RoundTo(scaled.Values, scaled.WriteHalf(d, block, 0), 0, -1, 2, codes);
        block[2..].Clear();
        for (int i = 0; i < 64; i++)
            block[2 + i / 4] |= (byte)((codes[i] + 1) << (i % 4 * 2));
    }
}
