using System.Buffers.Binary;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 256 weights of 4 bits that choose one of 16 uneven levels, in 8 groups of 32, whose scales have 6 bits and share a half:
/// <c>value = d * (scale - 32) * level</c>. 4.25 bits per weight.
/// <code>
/// byte 0   d         half
///      2   scales_h  16 bits; bits 2 g, 2 g + 1: bits 4-5 of scale g
///      4   scales_l  4 bytes; byte i: | scale 2 i + 1 | scale 2 i |   (bits 0-3 of each)
///      8   qs        8 times 16 bytes, for 32 weights each; byte j: | weight j+16 | weight j |
/// </code>
/// Layout: ggml block_iq4_xs.
/// </summary>
internal sealed class IQ4_XS()
    : IntegerFormat(TensorType.IQ4_XS, blockSize: 256, blockBytes: 136, groupSize: 32, lowest: -127, highest: 113)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        float d = Fields.Half(block, 0);
        int high = BinaryPrimitives.ReadUInt16LittleEndian(block[2..]);
        for (int g = 0; g < 8; g++)
        {
            int scale = ((block[4 + g / 2] >> (g % 2 * 4)) & 15) | (((high >> (2 * g)) & 3) << 4);
            scales[g] = d * (scale - 32);
            Fields.Extract(block[(8 + 16 * g)..], shift: 0, bits: 4, quants.Slice(32 * g, 16));
            Fields.Extract(block[(8 + 16 * g)..], shift: 4, bits: 4, quants.Slice(32 * g + 16, 16));
        }
        Fields.LookUp(IQ4Levels.Table, quants);
    }

    public override bool CanQuantize => true;

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<sbyte> codes = stackalloc sbyte[32], scales = stackalloc sbyte[8];
        block.Clear();
        ScaledBlock scaled = new(values, importance, stackalloc float[512]);
        float d = ScaleQuantizer.Quantize(scaled, IQ4Levels.Levels, -32, 31, scales, block, 0);
        int high = 0;
        for (int g = 0; g < 8; g++)
        {
            int scale = scales[g] + 32;
            block[4 + g / 2] |= (byte)((scale & 15) << (g % 2 * 4));
            high |= scale >> 4 << (2 * g);
            IQ4Levels.Levels.Encode(scaled.Values.Slice(32 * g, 32), d * scales[g], codes);
            Fields.Deposit(codes[..16], shift: 0, bits: 4, at: 0, block[(8 + 16 * g)..]);
            Fields.Deposit(codes[16..], shift: 0, bits: 4, at: 4, block[(8 + 16 * g)..]);
        }
        BinaryPrimitives.WriteUInt16LittleEndian(block[2..], (ushort)high);
    }
}
