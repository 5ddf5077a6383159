namespace Sluice.Tensors.Formats;

/// <summary>
/// 32 weights that are 4-bit floats, with a power of two as scale: <c>value = 2^(e - 127) * fp4</c>. 4.25 bits per weight.
/// <code>
/// byte 0   e   exponent, E8M0
///      1   qs  16 bytes; byte j: | weight j+16 | weight j |   (high and low 4 bits, codes of <see cref="Fp4"/>)
/// </code>
/// Source: OCP Microscaling Formats specification 1.0; layout: ggml block_mxfp4. As there, e = 255 is not taken for NaN.
/// </summary>
internal sealed class MXFP4()
    : IntegerFormat(TensorType.MXFP4, blockSize: 32, blockBytes: 17, groupSize: 32, lowest: -12, highest: 12)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales[0] = HalfPower(block[0]);
        Fields.Extract(block[1..], shift: 0, bits: 4, quants[..16]);
        Fields.Extract(block[1..], shift: 4, bits: 4, quants[16..]);
        Fields.LookUp(Fp4.Doubled, quants);
    }

    // 2^(e - 128), half of what e says because the table is doubled. The two lowest are subnormal singles.
    private static float HalfPower(byte e) => BitConverter.UInt32BitsToSingle(e < 2 ? 0x0020_0000u << e : (uint)(e - 1) << 23);

    public override bool CanQuantize => true;

    public override float LargestMagnitude => float.MaxValue;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        // The largest power of two of a 4-bit float is 2^2; importance would change nothing that the exponent alone decides.
        uint exponent = BitConverter.SingleToUInt32Bits(MathF.Abs(Fit.Extreme(values))) >> 23;
        block[0] = (byte)Math.Max(0, (int)exponent - 2);
        float inverse = 1 / HalfPower(block[0]);
        Span<sbyte> codes = stackalloc sbyte[32];
        for (int i = 0; i < 32; i++)
            codes[i] = Fp4.Nearest(values[i] * inverse);
        block[1..].Clear();
        Fields.Deposit(codes[..16], shift: 0, bits: 4, at: 0, block[1..]);
        Fields.Deposit(codes[16..], shift: 0, bits: 4, at: 4, block[1..]);
    }
}
