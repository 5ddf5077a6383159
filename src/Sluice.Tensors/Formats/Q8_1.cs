using System.Runtime.InteropServices;

namespace Sluice.Tensors.Formats;

/// <summary>
/// Q8_0 with the sum of its weights, which other engines use for activations; it is here because a file may hold it.
/// <c>value = d * q</c>. 9 bits per weight.
/// <code>
/// byte 0   d   half
///      2   s   half, d * (sum of q); redundant, not read
///      4   qs  32 signed bytes
/// </code>
/// Layout: ggml block_q8_1.
/// </summary>
internal sealed class Q8_1()
    : IntegerFormat(TensorType.Q8_1, blockSize: 32, blockBytes: 36, groupSize: 32, lowest: -128, highest: 127)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales[0] = Fields.Half(block, 0);
        MemoryMarshal.Cast<byte, sbyte>(block[4..]).CopyTo(quants);
    }
}
