namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights in 8 groups of 32, which are 8 points (of 4 weights) of a code book of 512, with signs and a 4-bit scale:
/// <c>value = d * (2 scale + 1) * ±point</c>. 3.4375 bits per weight.
/// <code>
/// byte 0    d       half
///      2    qs      64 bytes: bits 0-7 of the index of each point
///      66   qh      8 bytes; bit b of byte i: bit 8 of the index of point 8 i + b
///      74   signs   32 bytes; bit b of byte i: the sign of weight 8 i + b
///      106  scales  4 bytes; byte i: | scale 2 i + 1 | scale 2 i |
/// </code>
/// Layout: ggml block_iq3_s.
/// </summary>
internal sealed class IQ3_S()
    : IntegerFormat(TensorType.IQ3_S, blockSize: 256, blockBytes: 110, groupSize: 32, lowest: -15, highest: 15)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        float d = Fields.Half(block, 0);
        for (int g = 0; g < 8; g++)
            scales[g] = d * (1 + 2 * ((block[106 + g / 2] >> (g % 2 * 4)) & 15));
        for (int i = 0; i < 64; i++)
        {
            int high = (block[66 + i / 8] >> (i % 8)) & 1;
            IQ3Grids.S.Copy(block[2 + i] | (high << 8), quants.Slice(4 * i, 4));
        }
        for (int i = 0; i < 32; i++)
            CodeBook.Negate(block[74 + i], quants.Slice(8 * i, 8));
    }
}
