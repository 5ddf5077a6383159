using System.Buffers.Binary;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 32 weights of 5 bits with a scale and a minimum: <c>value = d * q + m</c>. 6 bits per weight.
/// <code>
/// byte 0   d   half
///      2   m   half
///      4   qh  32 bits; bit j: bit 4 of weight j
///      8   qs  16 bytes; byte j: | weight j+16 | weight j |   (bits 0-3 of each)
/// </code>
/// Layout: ggml block_q5_1.
/// </summary>
internal sealed class Q5_1()
    : IntegerFormat(TensorType.Q5_1, blockSize: 32, blockBytes: 24, groupSize: 32, lowest: 0, highest: 31, hasMin: true)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales[0] = Fields.Half(block, 0);
        mins[0] = Fields.Half(block, 2);
        Fields.Extract(block[8..], shift: 0, bits: 4, quants[..16]);
        Fields.Extract(block[8..], shift: 4, bits: 4, quants[16..]);
        Fields.InsertBits(BinaryPrimitives.ReadUInt32LittleEndian(block[4..]), at: 4, quants);
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> quants = stackalloc sbyte[32];
        Fit.Affine(values, importance, 31, quants, block);
        block[4..].Clear();
        Fields.Deposit(quants[..16], shift: 0, bits: 4, at: 0, block[8..]);
        Fields.Deposit(quants[16..], shift: 0, bits: 4, at: 4, block[8..]);
        BinaryPrimitives.WriteUInt32LittleEndian(block[4..], Fields.CollectBits(quants, shift: 4));
    }
}
