using System.Buffers.Binary;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights in 8 groups of 32, which are 4 points of a code book of 2048, with a 3-bit scale and a shift of an eighth up
/// or down: <c>value = d * (2 scale + 1) * (point ± 1/8)</c>, so q is 8 point ± 1. 1.5625 bits per weight.
/// <code>
/// byte 0   d   half
///      2   qs  32 bytes: bits 0-7 of the index of each point
///      34  qh  8 times 16 bits: | shift is down, 1 bit | scale, 3 bits | point 3 | point 2 | point 1 | point 0 |
///              (3 bits of each point: bits 8-10 of its index)
/// </code>
/// Layout: ggml block_iq1_s.
/// </summary>
internal sealed class IQ1_S()
    : PointFormat(TensorType.IQ1_S, blockBytes: 50, groupSize: 32, lowest: -9, highest: 9, unit: 0.125f, SignRule.None, shiftedWeights: 32)
{
    public override CodeBook Points => IQ1Grid.Shifted;

    public override CodeBook SearchedPoints => IQ1Grid.Points;

    public override float Read(ReadOnlySpan<byte> block, Span<ushort> indices, Span<byte> signs, Span<byte> scales)
    {
        for (int g = 0; g < 8; g++)
        {
            int qh = BinaryPrimitives.ReadUInt16LittleEndian(block[(34 + 2 * g)..]);
            scales[g] = (byte)((qh >> 12) & 7);
            for (int i = 0; i < 4; i++)
                indices[4 * g + i] = (ushort)(block[2 + 4 * g + i] | (((qh >> (3 * i)) & 7) << 8) | ((qh & 0x8000) >> 4));
        }
        return Fields.Half(block, 0);
    }

    public override void Write(
        Span<byte> block, ReadOnlySpan<byte> d, ReadOnlySpan<ushort> indices, ReadOnlySpan<byte> signs, ReadOnlySpan<byte> scales)
    {
        d.CopyTo(block);
        for (int g = 0; g < 8; g++)
        {
            int qh = scales[g] << 12 | (indices[4 * g] & 0x800) << 4;
            for (int i = 0; i < 4; i++)
            {
                block[2 + 4 * g + i] = (byte)indices[4 * g + i];
                qh |= (indices[4 * g + i] >> 8 & 7) << (3 * i);
            }
            BinaryPrimitives.WriteUInt16LittleEndian(block[(34 + 2 * g)..], (ushort)qh);
        }
    }
}
