using System.Buffers.Binary;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights in 8 groups of 32, which are 4 points of a code book of 256, with signs and a 4-bit scale:
/// <c>value = d * (scale + 1/2) / 4 * ±point</c>. 2.0625 bits per weight.
/// <code>
/// byte 0   d   half
///      2   qs  8 times 8 bytes, for 32 weights each:
///              byte 0-3  indices of the 4 points
///                   4-7  32 bits: | scale, 4 bits | signs of point 3, 7 bits | of 2 | of 1 | of 0 |   (the 8th sign is implied)
/// </code>
/// Layout: ggml block_iq2_xxs.
/// </summary>
internal sealed class IQ2_XXS()
    : PointFormat(TensorType.IQ2_XXS, blockBytes: 66, groupSize: 32, lowest: -43, highest: 43, unit: 0.125f, SignRule.Even)
{
    public override CodeBook Points => IQ2Grids.Xxs;

    public override float Read(ReadOnlySpan<byte> block, Span<ushort> indices, Span<byte> signs, Span<byte> scales)
    {
        for (int g = 0; g < 8; g++)
        {
            ReadOnlySpan<byte> group = block.Slice(2 + 8 * g, 8);
            uint bits = BinaryPrimitives.ReadUInt32LittleEndian(group[4..]);
            scales[g] = (byte)(bits >> 28);
            for (int i = 0; i < 4; i++)
            {
                indices[4 * g + i] = group[i];
                signs[4 * g + i] = CodeBook.EvenSigns((bits >> (7 * i)) & 127);
            }
        }
        return Fields.Half(block, 0);
    }

    public override void Write(
        Span<byte> block, ReadOnlySpan<byte> d, ReadOnlySpan<ushort> indices, ReadOnlySpan<byte> signs, ReadOnlySpan<byte> scales)
    {
        d.CopyTo(block);
        for (int g = 0; g < 8; g++)
        {
            Span<byte> group = block.Slice(2 + 8 * g, 8);
            uint bits = (uint)scales[g] << 28;
            for (int i = 0; i < 4; i++)
            {
                group[i] = (byte)indices[4 * g + i];
                bits |= (signs[4 * g + i] & 127u) << (7 * i);
            }
            BinaryPrimitives.WriteUInt32LittleEndian(group[4..], bits);
        }
    }
}
