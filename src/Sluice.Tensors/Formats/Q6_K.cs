namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights of 6 bits in 16 groups of 16, whose scales have 8 bits (signed) and share a half:
/// <c>value = d * scale * (q - 32)</c>. 6.5625 bits per weight.
/// <code>
/// byte 0    ql      2 times 64 bytes, for 128 weights each; byte j: | j+64 | j |   (bits 0-3 of each)
///      128  qh      2 times 32 bytes, for 128 weights each; byte j: | j+96 | j+64 | j+32 | j |   (bits 4-5 of each)
///      192  scales  16 signed bytes
///      208  d       half
/// </code>
/// Layout: ggml block_q6_K.
/// </summary>
internal sealed class Q6_K()
    : IntegerFormat(TensorType.Q6_K, blockSize: 256, blockBytes: 210, groupSize: 16, lowest: -32, highest: 31)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        float d = Fields.Half(block, 208);
        for (int g = 0; g < 16; g++)
            scales[g] = d * (sbyte)block[192 + g];
        for (int i = 0; i < 256; i += 32)
        {
            int half = i / 128, quarter = i % 128 / 32;
            Span<sbyte> q = quants.Slice(i, 32);
            Fields.Extract(block[(half * 64 + quarter % 2 * 32)..], shift: quarter / 2 * 4, bits: 4, q);
            Fields.Insert(block[(128 + half * 32)..], shift: quarter * 2, bits: 2, at: 4, q);
            Fields.Add(q, -32);
        }
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> quants = stackalloc sbyte[256];
        Span<float> scales = stackalloc float[16];
        Span<float> weights = stackalloc float[16];
        for (int g = 0; g < 16; g++)
        {
            ReadOnlySpan<float> group = values.Slice(16 * g, 16);
            for (int i = 0; i < 16; i++)
                weights[i] = importance.IsEmpty ? group[i] * group[i] : importance[16 * g + i];
            scales[g] = Fit.Symmetric(group, weights, 32, quants.Slice(16 * g, 16));
        }

        block.Clear();
        float extreme = Fit.Extreme(scales);
        if (extreme == 0)
            return;
        // The largest scale becomes -128, the end of the range that reaches further.
        float inverse = -128 / extreme;
        float d = Fields.WriteHalf(1 / inverse, block, 208);
        for (int g = 0; g < 16; g++)
        {
            sbyte scale = (sbyte)MathF.Min(127, MathF.Round(inverse * scales[g]));
            block[192 + g] = (byte)scale;
            // Rounded again, now to the scale as stored.
            Fit.RoundTo(values.Slice(16 * g, 16), d * scale, 0, -32, 31, quants.Slice(16 * g, 16));
        }
        Fields.Add(quants, 32);
        for (int i = 0; i < 256; i += 32)
        {
            int half = i / 128, quarter = i % 128 / 32;
            ReadOnlySpan<sbyte> q = quants.Slice(i, 32);
            Fields.Deposit(q, shift: 0, bits: 4, at: quarter / 2 * 4, block[(half * 64 + quarter % 2 * 32)..]);
            Fields.Deposit(q, shift: 4, bits: 2, at: quarter * 2, block[(128 + half * 32)..]);
        }
    }
}
