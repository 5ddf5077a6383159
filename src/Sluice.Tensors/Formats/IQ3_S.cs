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
    : PointFormat(TensorType.IQ3_S, blockBytes: 110, groupSize: 32, lowest: -15, highest: 15, unit: 1, SignRule.Free)
{
    public override CodeBook Points => IQ3Grids.S;

    public override float Read(ReadOnlySpan<byte> block, Span<ushort> indices, Span<byte> signs, Span<byte> scales)
    {
        for (int i = 0; i < 64; i++)
            indices[i] = (ushort)(block[2 + i] | (((block[66 + i / 8] >> (i % 8)) & 1) << 8));
        block.Slice(74, 32).CopyTo(signs);
        Fields.Nibbles(block[106..], scales);
        return Fields.Half(block, 0);
    }

    public override void Write(
        Span<byte> block, ReadOnlySpan<byte> d, ReadOnlySpan<ushort> indices, ReadOnlySpan<byte> signs, ReadOnlySpan<byte> scales)
    {
        d.CopyTo(block);
        for (int i = 0; i < 64; i++)
        {
            block[2 + i] = (byte)indices[i];
            block[66 + i / 8] |= (byte)(indices[i] >> 8 << (i % 8));
        }
        signs.CopyTo(block[74..]);
        Fields.PackNibbles(scales, block[106..]);
    }
}
