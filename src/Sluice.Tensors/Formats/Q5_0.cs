using System.Buffers.Binary;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 32 weights of 5 bits with one scale: <c>value = d * (q - 16)</c>. 5.5 bits per weight.
/// <code>
/// byte 0   d   half
///      2   qh  32 bits; bit j: bit 4 of weight j
///      6   qs  16 bytes; byte j: | weight j+16 | weight j |   (bits 0-3 of each)
/// </code>
/// Layout: ggml block_q5_0.
/// </summary>
internal sealed class Q5_0()
    : IntegerFormat(TensorType.Q5_0, blockSize: 32, blockBytes: 22, groupSize: 32, lowest: -16, highest: 15)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales[0] = Fields.Half(block, 0);
        Fields.Extract(block[6..], shift: 0, bits: 4, quants[..16]);
        Fields.Extract(block[6..], shift: 4, bits: 4, quants[16..]);
        Fields.InsertBits(BinaryPrimitives.ReadUInt32LittleEndian(block[2..]), at: 4, quants);
        Fields.Add(quants, -16);
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> quants = stackalloc sbyte[32];
        Fields.WriteHalf(Fit.ToExtreme(values, importance, meanSquare, 16, quants), block, 0);
        block[2..].Clear();
        Fields.Deposit(quants[..16], shift: 0, bits: 4, at: 0, block[6..]);
        Fields.Deposit(quants[16..], shift: 0, bits: 4, at: 4, block[6..]);
        BinaryPrimitives.WriteUInt32LittleEndian(block[2..], Fields.CollectBits(quants, shift: 4));
    }
}
