using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Formats;

/// <summary>
/// Quantizes the scales of a block whose groups have codes that multiply one half: fits every group alone, rounds the scales to codes,
/// then corrects for that rounding by trying each group's neighbouring codes and solving for the half.
/// </summary>
internal static class ScaleQuantizer
{
    private const int MostGroups = 16;

    /// <summary>Chooses the codes and writes the half.</summary>
    /// <param name="block">The block.</param>
    /// <param name="rounding">What scales multiply.</param>
    /// <param name="lowestCode">The smallest code, below 0, which the largest scale gets.</param>
    /// <param name="highestCode">The largest code.</param>
    /// <param name="codes">The code of each group, written.</param>
    /// <param name="bytes">Where the half is written.</param>
    /// <param name="at">At which byte.</param>
    /// <returns>The half, for scaled values.</returns>
    public static float Quantize<T>(
        in ScaledBlock block, T rounding, int lowestCode, int highestCode, Span<sbyte> codes, Span<byte> bytes, int at)
        where T : struct, IRounding
    {
        int size = block.Values.Length / codes.Length;
        Span<float> scales = stackalloc float[MostGroups];
        for (int g = 0; g < codes.Length; g++)
            scales[g] = Group(block, rounding, size, g).Search();
        float d = block.WriteHalf(Fit.Extreme(scales[..codes.Length]) / lowestCode, bytes, at);
        for (int g = 0; g < codes.Length; g++)
            codes[g] = d == 0 ? (sbyte)0 : (sbyte)Math.Clamp(MathF.Round(scales[g] / d), lowestCode, highestCode);
        const int rounds = 3;
        for (int round = 0; round < rounds; round++)
        {
            double cc = 0, cx = 0;
            for (int g = 0; g < codes.Length; g++)
            {
                (float qq, float qx) = Improve(Group(block, rounding, size, g), d, lowestCode, highestCode, ref codes[g]);
                cc += (double)codes[g] * codes[g] * qq;
                cx += (double)codes[g] * qx;
            }
            if (round == rounds - 1 || !(cc > 0))
                break;
            d = block.WriteHalf((float)(cx / cc), bytes, at);
        }
        return d;
    }

    private static SymmetricFit<T> Group<T>(in ScaledBlock block, T rounding, int size, int g) where T : struct, IRounding =>
        new(block.Values.Slice(size * g, size), block.Weights.Slice(size * g, size), rounding);

    // Moves a group's code to the best of its neighbours.
    private static (float QQ, float QX) Improve<T>(in SymmetricFit<T> group, float d, int lowestCode, int highestCode, ref sbyte code)
        where T : struct, IRounding
    {
        Vector512<float> codes = Trials.Clamp(
            Trials.Numbers + Vector512.Create(code - 8f), Vector512.Create((float)lowestCode), Vector512.Create((float)highestCode));
        Vector512<float> scale = codes * d;
        SymmetricFit<T>.Sums sums = group.Round(scale);
        int lane = Trials.Best(sums.Error(scale)).Lane;
        code = (sbyte)codes[lane];
        return (sums.QQ[lane], sums.QX[lane]);
    }
}
