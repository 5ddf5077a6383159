namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights of 5 bits in 8 groups of 32, whose scales and minimums have 6 bits and share two halves:
/// <c>value = d * scale * q - dmin * min</c>. 5.5 bits per weight.
/// <code>
/// byte 0   d       half
///      2   dmin    half
///      4   scales  12 bytes, packed as <see cref="KScales"/> says
///      16  qh      32 bytes; bit b of byte j: bit 4 of weight 32 b + j
///      48  qs      4 times 32 bytes, for 64 weights each; byte j: | j+32 | j |   (bits 0-3 of each)
/// </code>
/// Layout: ggml block_q5_K.
/// </summary>
internal sealed class Q5_K()
    : IntegerFormat(TensorType.Q5_K, blockSize: 256, blockBytes: 176, groupSize: 32, lowest: 0, highest: 31, hasMin: true)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        KScales.Decompose(block, scales, mins);
        for (int i = 0; i < 256; i += 32)
        {
            Span<sbyte> q = quants.Slice(i, 32);
            Fields.Extract(block[(48 + i / 64 * 32)..], shift: i % 64 / 32 * 4, bits: 4, q);
            Fields.Insert(block[16..], shift: i / 32, bits: 1, at: 4, q);
        }
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> quants = stackalloc sbyte[256];
        Span<byte> scales = stackalloc byte[8], mins = stackalloc byte[8];
        block.Clear();
        KQuantizer.Quantize(values, importance, 31, KScales.Highest, quants, scales, mins, block);
        KScales.Pack(scales, mins, block.Slice(4, KScales.Bytes));
        for (int i = 0; i < 256; i += 32)
        {
            ReadOnlySpan<sbyte> q = quants.Slice(i, 32);
            Fields.Deposit(q, shift: 0, bits: 4, at: i % 64 / 32 * 4, block[(48 + i / 64 * 32)..]);
            Fields.Deposit(q, shift: 4, bits: 1, at: i / 32, block[16..]);
        }
    }
}
