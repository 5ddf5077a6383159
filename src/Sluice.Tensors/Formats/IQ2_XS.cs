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
    : IntegerFormat(TensorType.IQ2_XS, blockSize: 256, blockBytes: 74, groupSize: 16, lowest: -43, highest: 43)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        float d = Fields.Half(block, 0);
        for (int g = 0; g < 16; g++)
            scales[g] = d * (0.5f + ((block[66 + g / 2] >> (g % 2 * 4)) & 15)) * 0.25f;
        for (int i = 0; i < 32; i++)
        {
            uint code = BinaryPrimitives.ReadUInt16LittleEndian(block[(2 + 2 * i)..]);
            Span<sbyte> q = quants.Slice(8 * i, 8);
            IQ2Grids.Xs.Copy((int)(code & 511), q);
            CodeBook.Negate(CodeBook.EvenSigns(code >> 9), q);
        }
    }
}
