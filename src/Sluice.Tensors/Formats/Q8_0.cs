using System.Runtime.InteropServices;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 32 weights of 8 bits with one scale: <c>value = d * q</c>. 8.5 bits per weight.
/// <code>
/// byte 0   d   half
///      2   qs  32 signed bytes
/// </code>
/// Layout: ggml block_q8_0.
/// </summary>
internal sealed class Q8_0()
    : IntegerFormat(TensorType.Q8_0, blockSize: 32, blockBytes: 34, groupSize: 32, lowest: -128, highest: 127)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales[0] = Fields.Half(block, 0);
        MemoryMarshal.Cast<byte, sbyte>(block[2..]).CopyTo(quants);
    }
}
