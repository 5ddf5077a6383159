using System.Buffers.Binary;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights in 16 groups of 16, which are 2 points of a code book of 512, with signs and a 4-bit scale:
/// <c>value = d * (scale + 1/2) / 4 * ±point</c>. 2.3125 bits per weight.
/// <code>
/// byte 0   d       half
///      2   qs      32 times 16 bits, for 8 weights each: | signs, 7 bits | index, 9 bits |   (the 8th sign is implied)
///      66  scales  8 bytes; byte i: | scale 2 i + 1 | scale 2 i |
/// </code>
/// Layout: ggml block_iq2_xs.
/// </summary>
internal sealed class IQ2_XS()
    : PointFormat(TensorType.IQ2_XS, blockBytes: 74, groupSize: 16, lowest: -43, highest: 43, unit: 0.125f, SignRule.Even)
{
    public override CodeBook Points => IQ2Grids.Xs;

    public override float Read(ReadOnlySpan<byte> block, Span<ushort> indices, Span<byte> signs, Span<byte> scales)
    {
        for (int i = 0; i < 32; i++)
        {
            uint code = BinaryPrimitives.ReadUInt16LittleEndian(block[(2 + 2 * i)..]);
            indices[i] = (ushort)(code & 511);
            signs[i] = CodeBook.EvenSigns(code >> 9);
        }
        Fields.Nibbles(block[66..], scales);
        return Fields.Half(block, 0);
    }

    public override void Write(
        Span<byte> block, ReadOnlySpan<byte> d, ReadOnlySpan<ushort> indices, ReadOnlySpan<byte> signs, ReadOnlySpan<byte> scales)
    {
        d.CopyTo(block);
        for (int i = 0; i < 32; i++)
            BinaryPrimitives.WriteUInt16LittleEndian(block[(2 + 2 * i)..], (ushort)(indices[i] | (signs[i] & 127) << 9));
        Fields.PackNibbles(scales, block[66..]);
    }
}
