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
    : PointFormat(TensorType.IQ2_S, blockBytes: 82, groupSize: 16, lowest: -43, highest: 43, unit: 0.125f, SignRule.Free)
{
    public override CodeBook Points => IQ2Grids.S;

    public override float Read(ReadOnlySpan<byte> block, Span<ushort> indices, Span<byte> signs, Span<byte> scales)
    {
        for (int i = 0; i < 32; i++)
            indices[i] = (ushort)(block[2 + i] | (((block[66 + i / 4] >> (i % 4 * 2)) & 3) << 8));
        block.Slice(34, 32).CopyTo(signs);
        Fields.Nibbles(block[74..], scales);
        return Fields.Half(block, 0);
    }

    public override void Write(
        Span<byte> block, ReadOnlySpan<byte> d, ReadOnlySpan<ushort> indices, ReadOnlySpan<byte> signs, ReadOnlySpan<byte> scales)
    {
        d.CopyTo(block);
        for (int i = 0; i < 32; i++)
        {
            block[2 + i] = (byte)indices[i];
            block[66 + i / 4] |= (byte)(indices[i] >> 8 << (i % 4 * 2));
        }
        signs.CopyTo(block[34..]);
        Fields.PackNibbles(scales, block[74..]);
    }
}
