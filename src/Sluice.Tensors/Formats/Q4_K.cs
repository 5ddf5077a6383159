namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights of 4 bits in 8 groups of 32, whose scales and minimums have 6 bits and share two halves:
/// <c>value = d * scale * q - dmin * min</c>. 4.5 bits per weight.
/// <code>
/// byte 0   d       half
///      2   dmin    half
///      4   scales  12 bytes, packed as <see cref="KScales"/> says
///      16  qs      4 times 32 bytes, for 64 weights each; byte j: | j+32 | j |   (high and low 4 bits)
/// </code>
/// Layout: ggml block_q4_K.
/// </summary>
internal sealed class Q4_K()
    : IntegerFormat(TensorType.Q4_K, blockSize: 256, blockBytes: 144, groupSize: 32, lowest: 0, highest: 15, hasMin: true)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        KScales.Decompose(block, scales, mins);
        for (int i = 0; i < 256; i += 32)
            Fields.Extract(block[(16 + i / 64 * 32)..], shift: i % 64 / 32 * 4, bits: 4, quants.Slice(i, 32));
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> quants = stackalloc sbyte[256];
        Span<byte> scales = stackalloc byte[8], mins = stackalloc byte[8];
        block.Clear();
        KQuantizer.Quantize(values, importance, 15, KScales.Highest, quants, scales, mins, block);
        KScales.Pack(scales, mins, block.Slice(4, KScales.Bytes));
        for (int i = 0; i < 256; i += 32)
            Fields.Deposit(quants.Slice(i, 32), shift: 0, bits: 4, at: i % 64 / 32 * 4, block[(16 + i / 64 * 32)..]);
    }
}
