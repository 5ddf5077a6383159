namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights of 3 bits in 16 groups of 16, whose scales have 6 bits and share a half:
/// <c>value = d * (scale - 32) * (q - 4)</c>. 3.4375 bits per weight.
/// <code>
/// byte 0    hmask   32 bytes; bit b of byte j: bit 2 of weight 32 b + j
///      32   qs      2 times 32 bytes, for 128 weights each; byte j: | j+96 | j+64 | j+32 | j |   (bits 0-1 of each)
///      96   scales  12 bytes; bits 0-3 of scale g are the low (g &lt; 8) or high half of byte g % 8,
///                   bits 4-5 of scale g are bits 2 (g / 4) and up of byte 8 + g % 4
///      108  d       half
/// </code>
/// Layout: ggml block_q3_K.
/// </summary>
internal sealed class Q3_K()
    : IntegerFormat(TensorType.Q3_K, blockSize: 256, blockBytes: 110, groupSize: 16, lowest: -4, highest: 3)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        float d = Fields.Half(block, 108);
        ReadOnlySpan<byte> packed = block.Slice(96, 12);
        for (int g = 0; g < 16; g++)
        {
            int low = (packed[g % 8] >> (g / 8 * 4)) & 15;
            int high = (packed[8 + g % 4] >> (g / 4 * 2)) & 3;
            scales[g] = d * ((low | (high << 4)) - 32);
        }
        for (int i = 0; i < 256; i += 32)
        {
            Span<sbyte> q = quants.Slice(i, 32);
            Fields.Extract(block[(32 + i / 128 * 32)..], shift: i % 128 / 32 * 2, bits: 2, q);
            Fields.Insert(block, shift: i / 32, bits: 1, at: 2, q);
            Fields.Add(q, -4);
        }
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> quants = stackalloc sbyte[256], codes = stackalloc sbyte[16];
        block.Clear();
        ScaledBlock scaled = new(values, importance, stackalloc float[512]);
        float d = ScaleQuantizer.Quantize(scaled, new Integers(-4, 3), -32, 31, codes, block, 108);
        Span<byte> packed = block.Slice(96, 12);
        for (int g = 0; g < 16; g++)
        {
            Fit.RoundTo(scaled.Values.Slice(16 * g, 16), d * codes[g], 0, -4, 3, quants.Slice(16 * g, 16));
            int code = codes[g] + 32;
            packed[g % 8] |= (byte)((code & 15) << (g / 8 * 4));
            packed[8 + g % 4] |= (byte)(code >> 4 << (g / 4 * 2));
        }
        Fields.Add(quants, 4);
        for (int i = 0; i < 256; i += 32)
        {
            ReadOnlySpan<sbyte> q = quants.Slice(i, 32);
            Fields.Deposit(q, shift: 0, bits: 2, at: i % 128 / 32 * 2, block[(32 + i / 128 * 32)..]);
            Fields.Deposit(q, shift: 2, bits: 1, at: i / 32, block);
        }
    }
}
