namespace Sluice.Tensors.Formats;

/// <summary>
/// 32 weights of 4 bits that choose one of 16 uneven levels, with one scale: <c>value = d * level</c>. 4.5 bits per weight.
/// <code>
/// byte 0   d   half
///      2   qs  16 bytes; byte j: | weight j+16 | weight j |   (high and low 4 bits)
/// </code>
/// Layout: ggml block_iq4_nl.
/// </summary>
internal sealed class IQ4_NL()
    : IntegerFormat(TensorType.IQ4_NL, blockSize: 32, blockBytes: 18, groupSize: 32, lowest: -127, highest: 113)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        scales[0] = Fields.Half(block, 0);
        Fields.Extract(block[2..], shift: 0, bits: 4, quants[..16]);
        Fields.Extract(block[2..], shift: 4, bits: 4, quants[16..]);
        Fields.LookUp(IQ4Levels.Table, quants);
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> codes = stackalloc sbyte[32];
        ScaledBlock scaled = new(values, importance, stackalloc float[64]);
        float d = new SymmetricFit<Levels>(scaled.Values, scaled.Weights, IQ4Levels.Levels).Search();
        IQ4Levels.Levels.Encode(scaled.Values, scaled.WriteHalf(d, block, 0), codes);
        block[2..].Clear();
        Fields.Deposit(codes[..16], shift: 0, bits: 4, at: 0, block[2..]);
        Fields.Deposit(codes[16..], shift: 0, bits: 4, at: 4, block[2..]);
    }
}
