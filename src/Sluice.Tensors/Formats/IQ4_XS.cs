using System.Buffers.Binary;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights of 4 bits that choose one of 16 uneven levels, in 8 groups of 32, whose scales have 6 bits and share a half:
/// <c>value = d * (scale - 32) * level</c>. 4.25 bits per weight.
/// <code>
/// byte 0   d         half
///      2   scales_h  16 bits; bits 2 g, 2 g + 1: bits 4-5 of scale g
///      4   scales_l  4 bytes; byte i: | scale 2 i + 1 | scale 2 i |   (bits 0-3 of each)
///      8   qs        8 times 16 bytes, for 32 weights each; byte j: | weight j+16 | weight j |
/// </code>
/// Layout: ggml block_iq4_xs.
/// </summary>
internal sealed class IQ4_XS()
    : IntegerFormat(TensorType.IQ4_XS, blockSize: 256, blockBytes: 136, groupSize: 32, lowest: -127, highest: 113)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        float d = Fields.Half(block, 0);
        int high = BinaryPrimitives.ReadUInt16LittleEndian(block[2..]);
        for (int g = 0; g < 8; g++)
        {
            int scale = ((block[4 + g / 2] >> (g % 2 * 4)) & 15) | (((high >> (2 * g)) & 3) << 4);
            scales[g] = d * (scale - 32);
            Fields.Extract(block[(8 + 16 * g)..], shift: 0, bits: 4, quants.Slice(32 * g, 16));
            Fields.Extract(block[(8 + 16 * g)..], shift: 4, bits: 4, quants.Slice(32 * g + 16, 16));
        }
        Fields.LookUp(IQ4Levels.Table, quants);
    }
}
