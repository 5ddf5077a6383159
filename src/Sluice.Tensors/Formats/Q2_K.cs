namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights of 2 bits in 16 groups of 16, whose scales and minimums have 4 bits each and share two halves:
/// <c>value = d * scale * q - dmin * min</c>. 2.625 bits per weight.
/// <code>
/// byte 0   scales  16 bytes; byte g: | min of group g | scale of group g |   (high and low 4 bits)
///      16  qs      2 times 32 bytes, for 128 weights each; byte j: | j+96 | j+64 | j+32 | j |   (2 bits each)
///      80  d       half
///      82  dmin    half
/// </code>
/// Layout: ggml block_q2_K.
/// </summary>
internal sealed class Q2_K()
    : IntegerFormat(TensorType.Q2_K, blockSize: 256, blockBytes: 84, groupSize: 16, lowest: 0, highest: 3, hasMin: true)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        float d = Fields.Half(block, 80), dmin = Fields.Half(block, 82);
        for (int g = 0; g < 16; g++)
        {
            scales[g] = d * (block[g] & 15);
            mins[g] = -(dmin * (block[g] >> 4));
        }
        for (int i = 0; i < 256; i += 32)
            Fields.Extract(block[(16 + i / 128 * 32)..], shift: i % 128 / 32 * 2, bits: 2, quants.Slice(i, 32));
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> quants = stackalloc sbyte[256];
        Span<byte> scales = stackalloc byte[16], mins = stackalloc byte[16];
        block.Clear();
        KQuantizer.Quantize(values, importance, 3, 15, quants, scales, mins, block[80..]);
        for (int g = 0; g < 16; g++)
            block[g] = (byte)(scales[g] | (mins[g] << 4));
        for (int i = 0; i < 256; i += 32)
            Fields.Deposit(quants.Slice(i, 32), shift: 0, bits: 2, at: i % 128 / 32 * 2, block[(16 + i / 128 * 32)..]);
    }
}
