using System.Buffers.Binary;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights in 8 groups of 32, which are 8 points (of 4 weights) of a code book of 256, with signs and a 4-bit scale:
/// <c>value = d * (scale + 1/2) / 2 * ±point</c>. 3.0625 bits per weight.
/// <code>
/// byte 0   d      half
///      2   qs     64 bytes: indices of the points
///      66  signs  8 times 32 bits, for 32 weights each: | scale, 4 bits | signs of weights 24-31, 7 bits | 16-23 | 8-15 | 0-7 |
///                 (the 8th sign is implied)
/// </code>
/// Layout: ggml block_iq3_xxs.
/// </summary>
internal sealed class IQ3_XXS()
    : PointFormat(TensorType.IQ3_XXS, blockBytes: 98, groupSize: 32, lowest: -62, highest: 62, unit: 0.25f, SignRule.Even)
{
    public override CodeBook Points => IQ3Grids.Xxs;

    public override float Read(ReadOnlySpan<byte> block, Span<ushort> indices, Span<byte> signs, Span<byte> scales)
    {
        for (int i = 0; i < 64; i++)
            indices[i] = block[2 + i];
        for (int g = 0; g < 8; g++)
        {
            uint bits = BinaryPrimitives.ReadUInt32LittleEndian(block[(66 + 4 * g)..]);
            scales[g] = (byte)(bits >> 28);
            for (int i = 0; i < 4; i++)
                signs[4 * g + i] = CodeBook.EvenSigns((bits >> (7 * i)) & 127);
        }
        return Fields.Half(block, 0);
    }

    public override void Write(
        Span<byte> block, ReadOnlySpan<byte> d, ReadOnlySpan<ushort> indices, ReadOnlySpan<byte> signs, ReadOnlySpan<byte> scales)
    {
        d.CopyTo(block);
        for (int i = 0; i < 64; i++)
            block[2 + i] = (byte)indices[i];
        for (int g = 0; g < 8; g++)
        {
            uint bits = (uint)scales[g] << 28;
            for (int i = 0; i < 4; i++)
                bits |= (signs[4 * g + i] & 127u) << (7 * i);
            BinaryPrimitives.WriteUInt32LittleEndian(block[(66 + 4 * g)..], bits);
        }
    }
}
