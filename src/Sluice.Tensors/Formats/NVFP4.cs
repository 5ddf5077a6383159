using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Formats;

/// <summary>
/// 64 weights that are 4-bit floats, with an 8-bit float as scale of every 16: <c>value = d * fp4</c>. 4.5 bits per weight.
/// (A model may multiply the whole tensor by one more float: <see cref="ScaledNVFP4"/>.)
/// <code>
/// byte 0   d   4 scales: | unused | exponent, 4 bits, bias 7 | fraction, 3 bits |   (E4M3 without its sign)
///      4   qs  4 times 8 bytes, for 16 weights each; byte j: | weight j+8 | weight j |   (codes of <see cref="Fp4"/>)
/// </code>
/// Layout: ggml block_nvfp4. As there, the scale 0x7F, E4M3's NaN, is 0.
/// </summary>
internal sealed class NVFP4()
    : IntegerFormat(TensorType.NVFP4, blockSize: 64, blockBytes: 36, groupSize: 16, lowest: -12, highest: 12)
{
    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        Span<sbyte> eights = stackalloc sbyte[64];
        Fields.Extract(block[4..], shift: 0, bits: 4, eights[..32]);
        Fields.Extract(block[4..], shift: 4, bits: 4, eights[32..]);
        for (int g = 0; g < 4; g++)
        {
            scales[g] = HalfScale(block[g]);
            eights.Slice(8 * g, 8).CopyTo(quants[(16 * g)..]);
            eights.Slice(32 + 8 * g, 8).CopyTo(quants[(16 * g + 8)..]);
        }
        Fields.LookUp(Fp4.Doubled, quants);
    }

    // Half of the E4M3 value, because the table is doubled.
    internal static float HalfScale(byte d)
    {
        int exponent = (d >> 3) & 15, fraction = d & 7;
        if (d == 0x7F)
            return 0;
        return exponent == 0 ? MathF.ScaleB(fraction, -10) : MathF.ScaleB(8 + fraction, exponent - 11);
    }

    public override bool CanQuantize => true;

    public override float LargestMagnitude => 448 * 6; // of E4M3 times of E2M1

    private protected override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block)
    {
        Span<float> weights = stackalloc float[16], trials = stackalloc float[Trials.Count];
        block.Clear();
        for (int g = 0; g < 4; g++)
        {
            ReadOnlySpan<float> group = values.Slice(16 * g, 16);
            weights.Fill(1);
            if (!importance.IsEmpty)
                importance.Slice(16 * g, 16).CopyTo(weights);
            // Scales around the one that takes the largest value to the largest 4-bit float.
            int first = Math.Clamp(Code(MathF.Abs(Fit.Extreme(group)) / 12) - Trials.Count / 2, 0, HalfScales.Length - Trials.Count);
            HalfScales.AsSpan(first, Trials.Count).CopyTo(trials);
            Vector512<float> scale = Vector512.Create<float>(trials);
            block[g] = (byte)(first + Trials.Best(new SymmetricFit<Levels>(group, weights, Fp4.Levels).Round(scale).Error(scale)).Lane);
            float inverse = block[g] == 0 ? 0 : 1 / HalfScales[block[g]];
            for (int i = 0; i < 16; i++)
                block[4 + 8 * g + i % 8] |= (byte)(Fp4.Nearest(group[i] * inverse) << (i / 8 * 4));
        }
    }

    // All scales but the one of E4M3's NaN, ascending.
    private static readonly float[] HalfScales = [.. Enumerable.Range(0, 0x7F).Select(code => HalfScale((byte)code))];

    private static int Code(float scale)
    {
        int found = Array.BinarySearch(HalfScales, scale);
        return found < 0 ? ~found : found;
    }
}
