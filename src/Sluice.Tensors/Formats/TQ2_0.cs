namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 ternary weights with one scale, 4 to a byte: <c>value = d * (q - 1)</c>. 2.0625 bits per weight.
/// <code>
/// byte 0   qs  2 times 32 bytes, for 128 weights each; byte j: | j+96 | j+64 | j+32 | j |   (2 bits each)
///      64  d   half
/// </code>
/// Layout: ggml block_tq2_0. The unused code 3 is 2, as there.
/// </summary>
internal sealed class TQ2_0()
    : IntegerFormat(TensorType.TQ2_0, blockSize: 256, blockBytes: 66, groupSize: 32, lowest: -1, highest: 2)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales.Fill(Fields.Half(block, 64));
        for (int i = 0; i < 256; i += 32)
            Fields.Extract(block[(i / 128 * 32)..], shift: i % 128 / 32 * 2, bits: 2, quants.Slice(i, 32));
        Fields.Add(quants, -1);
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> quants = stackalloc sbyte[256];
        Fields.WriteHalf(Fit.Ternary(values, quants), block, 64);
        block[..64].Clear();
        for (int i = 0; i < 256; i += 32)
            Fields.Deposit(quants.Slice(i, 32), shift: 0, bits: 2, at: i % 128 / 32 * 2, block[(i / 128 * 32)..]);
    }
}
