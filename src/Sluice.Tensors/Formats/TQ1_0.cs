namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 ternary weights with one scale, 5 to a byte: <c>value = d * (q - 1)</c>. 1.6875 bits per weight.
/// <code>
/// byte 0   qs  32 bytes of 5 weights: byte j holds weights j, j+32, ... j+128
///      32      16 bytes of 5 weights: byte j holds weights 160 + j, 160 + j+16, ... 160 + j+64
///      48  qh  4 bytes of 4 weights: byte j holds weights 240 + j, 240 + j+4, ... 240 + j+12
///      52  d   half
/// </code>
/// A byte b stands for the fraction b / 256, whose first base-3 digits are the weights: digit n is floor(3 frac(3^n b / 256)).
/// Layout: ggml block_tq1_0.
/// </summary>
internal sealed class TQ1_0()
    : IntegerFormat(TensorType.TQ1_0, blockSize: 256, blockBytes: 54, groupSize: 32, lowest: -1, highest: 1)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales.Fill(Fields.Half(block, 52));
        Digits(block[..32], quants[..160]);
        Digits(block[32..48], quants[160..240]);
        Digits(block[48..52], quants[240..]);
    }

    private static void Digits(ReadOnlySpan<byte> bytes, Span<sbyte> quants)
    {
        int power = 1;
        for (int i = 0; i < quants.Length; i += bytes.Length, power *= 3)
        {
            for (int j = 0; j < bytes.Length; j++)
            {
                byte fraction = (byte)(bytes[j] * power);
                quants[i + j] = (sbyte)((fraction * 3 >> 8) - 1);
            }
        }
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> quants = stackalloc sbyte[256];
        Fields.WriteHalf(Fit.Ternary(values, quants), block, 52);
        Pack(quants[..160], block[..32]);
        Pack(quants[160..240], block[32..48]);
        Pack(quants[240..], block[48..52]);
    }

    // The number that the digits are, as a fraction of 3^5: rounded up, so that reading finds the same digits.
    private static void Pack(ReadOnlySpan<sbyte> digits, Span<byte> bytes)
    {
        for (int j = 0; j < bytes.Length; j++)
        {
            int number = 0;
            for (int n = 0; n < 5; n++)
                number = 3 * number + (n * bytes.Length + j < digits.Length ? digits[n * bytes.Length + j] : 0);
            bytes[j] = (byte)((number * 256 + 242) / 243);
        }
    }
}
