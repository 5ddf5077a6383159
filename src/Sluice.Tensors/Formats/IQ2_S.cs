namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights in 16 groups of 16, which are 2 points of a code book of 1024, with signs and a 4-bit scale:
/// <c>value = d * (scale + 1/2) / 4 * ±point</c>. 2.5625 bits per weight.
/// <code>
/// byte 0   d       half
///      2   qs      32 bytes: bits 0-7 of the index of each point
///      34  signs   32 bytes, one for each point
///      66  qh      8 bytes; byte i: | point 4 i + 3 | 4 i + 2 | 4 i + 1 | 4 i |   (bits 8-9 of the indices)
///      74  scales  8 bytes; byte i: | scale 2 i + 1 | scale 2 i |
/// </code>
/// Layout: ggml block_iq2_s.
/// </summary>
internal sealed class IQ2_S()
    : IntegerFormat(TensorType.IQ2_S, blockSize: 256, blockBytes: 82, groupSize: 16, lowest: -43, highest: 43)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        float d = Fields.Half(block, 0);
        for (int g = 0; g < 16; g++)
            scales[g] = d * (0.5f + ((block[74 + g / 2] >> (g % 2 * 4)) & 15)) * 0.25f;
        for (int i = 0; i < 32; i++)
        {
            int high = (block[66 + i / 4] >> (i % 4 * 2)) & 3;
            Span<sbyte> q = quants.Slice(8 * i, 8);
            IQ2Grids.S.Copy(block[2 + i] | (high << 8), q);
            CodeBook.Negate(block[34 + i], q);
        }
    }
}
