namespace Sluice.Tensors.Formats;

/// <summary>
/// 32 weights of 4 bits with a scale and a minimum: <c>value = d * q + m</c>. 5 bits per weight.
/// <code>
/// byte 0   d   half
///      2   m   half
///      4   qs  16 bytes; byte j: | weight j+16 | weight j |   (high and low 4 bits)
/// </code>
/// Layout: ggml block_q4_1.
/// </summary>
internal sealed class Q4_1()
    : IntegerFormat(TensorType.Q4_1, blockSize: 32, blockBytes: 20, groupSize: 32, lowest: 0, highest: 15, hasMin: true)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales[0] = Fields.Half(block, 0);
        mins[0] = Fields.Half(block, 2);
        Fields.Extract(block[4..], shift: 0, bits: 4, quants[..16]);
        Fields.Extract(block[4..], shift: 4, bits: 4, quants[16..]);
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> quants = stackalloc sbyte[32];
        Fit.Affine(values, importance, 15, quants, block);
        block[4..].Clear();
        Fields.Deposit(quants[..16], shift: 0, bits: 4, at: 0, block[4..]);
        Fields.Deposit(quants[16..], shift: 0, bits: 4, at: 4, block[4..]);
    }
}
