using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights of 8 bits with one scale, which other engines use for activations; it is here because a file may hold it.
/// <c>value = d * q</c>. 9.125 bits per weight.
/// <code>
/// byte 0    d      single
///      4    qs     256 signed bytes
///      260  bsums  16 shorts: sums of 16 q each; redundant, not read
/// </code>
/// Layout: ggml block_q8_K.
/// </summary>
internal sealed class Q8_K()
    : IntegerFormat(TensorType.Q8_K, blockSize: 256, blockBytes: 292, groupSize: 32, lowest: -128, highest: 127)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales.Fill(BinaryPrimitives.ReadSingleLittleEndian(block));
        MemoryMarshal.Cast<byte, sbyte>(block.Slice(4, 256)).CopyTo(quants);
    }
}
