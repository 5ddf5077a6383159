using System.Buffers.Binary;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 128 weights that are only a sign, with one scale: <c>value = d * (2 q - 1)</c>. 1.125 bits per weight.
/// <code>
/// byte 0   d   half
///      2   qs  16 bytes; bit b of byte i: weight 8 i + b
/// </code>
/// Layout: ggml block_q1_0.
/// </summary>
internal sealed class Q1_0()
    : IntegerFormat(TensorType.Q1_0, blockSize: 128, blockBytes: 18, groupSize: 32, lowest: -1, highest: 1)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales.Fill(Fields.Half(block, 0));
        quants.Clear();
        for (int g = 0; g < 4; g++)
            Fields.InsertBits(BinaryPrimitives.ReadUInt32LittleEndian(block[(2 + 4 * g)..]), at: 1, quants.Slice(32 * g, 32));
        Fields.Add(quants, -1);
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        float sum = 0, total = 0;
        for (int i = 0; i < values.Length; i++)
        {
            float weight = importance.IsEmpty ? 1 : importance[i];
            sum += weight * MathF.Abs(values[i]);
            total += weight;
        }
        Fields.WriteHalf(sum / total, block, 0);
        block[2..].Clear();
        for (int i = 0; i < values.Length; i++)
            block[2 + i / 8] |= (byte)((values[i] >= 0 ? 1 : 0) << (i % 8));
    }
}
