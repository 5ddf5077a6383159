using System.Buffers.Binary;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights in 16 groups of 16 with a 3-bit scale, which are 2 points of a code book of 2048, each shifted by an eighth up
/// or down: <c>value = d * (2 scale + 1) * (point ± 1/8)</c>, so q is 8 point ± 1. 1.75 bits per weight.
/// <code>
/// byte 0   qs      32 bytes: bits 0-7 of the index of each point
///      32  qh      16 bytes; byte i: | point 2 i + 1 | point 2 i |   (of each | shift is down | bits 8-10 of its index |)
///      48  scales  4 times 16 bits: | d, 4 bits | scale 4 i + 3 | 4 i + 2 | 4 i + 1 | 4 i |   (bits 4 i and up of the half d)
/// </code>
/// Layout: ggml block_iq1_m.
/// </summary>
internal sealed class IQ1_M()
    : PointFormat(TensorType.IQ1_M, blockBytes: 56, groupSize: 16, lowest: -9, highest: 9, unit: 0.125f, SignRule.None, shiftedWeights: 8)
{
    public override CodeBook Points => IQ1Grid.Shifted;

    public override CodeBook SearchedPoints => IQ1Grid.Points;

    public override float Read(ReadOnlySpan<byte> block, Span<ushort> indices, Span<byte> signs, Span<byte> scales)
    {
        for (int i = 0; i < 32; i++)
            indices[i] = (ushort)(block[i] | (((block[32 + i / 2] >> (i % 2 * 4)) & 15) << 8));
        int half = 0;
        for (int i = 0; i < 4; i++)
        {
            int bits = BinaryPrimitives.ReadUInt16LittleEndian(block[(48 + 2 * i)..]);
            half |= bits >> 12 << (4 * i);
            for (int j = 0; j < 4; j++)
                scales[4 * i + j] = (byte)((bits >> (3 * j)) & 7);
        }
        return (float)BitConverter.UInt16BitsToHalf((ushort)half);
    }

    public override void Write(
        Span<byte> block, ReadOnlySpan<byte> d, ReadOnlySpan<ushort> indices, ReadOnlySpan<byte> signs, ReadOnlySpan<byte> scales)
    {
        for (int i = 0; i < 32; i++)
        {
            block[i] = (byte)indices[i];
            block[32 + i / 2] |= (byte)(indices[i] >> 8 << (i % 2 * 4));
        }
        int half = BinaryPrimitives.ReadUInt16LittleEndian(d);
        for (int i = 0; i < 4; i++)
        {
            int bits = (half >> (4 * i) & 15) << 12;
            for (int j = 0; j < 4; j++)
                bits |= scales[4 * i + j] << (3 * j);
            BinaryPrimitives.WriteUInt16LittleEndian(block[(48 + 2 * i)..], (ushort)bits);
        }
    }
}
