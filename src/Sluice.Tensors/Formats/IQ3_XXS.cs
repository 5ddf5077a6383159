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
    : IntegerFormat(TensorType.IQ3_XXS, blockSize: 256, blockBytes: 98, groupSize: 32, lowest: -62, highest: 62)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        float d = Fields.Half(block, 0);
        for (int g = 0; g < 8; g++)
        {
            uint signs = BinaryPrimitives.ReadUInt32LittleEndian(block[(66 + 4 * g)..]);
            scales[g] = d * (0.5f + (signs >> 28)) * 0.5f;
            for (int i = 0; i < 4; i++)
            {
                ReadOnlySpan<byte> indices = block.Slice(2 + 8 * g + 2 * i, 2);
                Span<sbyte> q = quants.Slice(32 * g + 8 * i, 8);
                IQ3Grids.Xxs.Copy(indices[0], q);
                IQ3Grids.Xxs.Copy(indices[1], q[4..]);
                CodeBook.Negate(CodeBook.EvenSigns((signs >> (7 * i)) & 127), q);
            }
        }
    }
}
