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
        Fields.WriteHalf(Fit.ToExtreme(values, importance, meanSquare, 8, quants), block, 0);
        block[2..].Clear();
        Fields.Deposit(quants[..16], shift: 0, bits: 4, at: 0, block[2..]);
        Fields.Deposit(quants[16..], shift: 0, bits: 4, at: 4, block[2..]);
    }
}
