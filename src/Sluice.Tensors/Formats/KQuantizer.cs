using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Formats;

/// <summary>
/// Quantizes a block of Q2_K, Q4_K or Q5_K: fits every group alone, rounds scales and minimums to codes of few bits, then corrects
/// for that rounding by trying each group's neighbouring codes and solving for the two halves that all groups share.
/// </summary>
internal static class KQuantizer
{
    private const int MostGroups = 16;

    /// <summary>Chooses a block's integers, scales and minimums, and writes its two halves.</summary>
    /// <param name="values">A block's values.</param>
    /// <param name="importance">What each value's squared error counts, or empty: all the same.</param>
    /// <param name="highest">The largest integer.</param>
    /// <param name="highestCode">The largest code of a scale or minimum.</param>
    /// <param name="quants">A block's integers, written.</param>
    /// <param name="scaleCodes">The code of each group's scale, written.</param>
    /// <param name="minCodes">The code of each group's minimum, written.</param>
    /// <param name="halves">The two halves d and dmin, written.</param>
    public static void Quantize(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, int highest, int highestCode, Span<sbyte> quants,
        Span<byte> scaleCodes, Span<byte> minCodes, Span<byte> halves)
    {
        int groups = scaleCodes.Length, size = values.Length / groups;
        ScaledBlock block = new(values, importance, stackalloc float[2 * values.Length]);
        Span<float> scales = stackalloc float[MostGroups], mins = stackalloc float[MostGroups];
        for (int g = 0; g < groups; g++)
            (scales[g], mins[g]) = Group(block, size, highest, g).Search();

        float d = Round(scales[..groups], 1, highestCode, scaleCodes, block, halves, 0);
        float dmin = Round(mins[..groups], -1, highestCode, minCodes, block, halves, 2);
        const int rounds = 3;
        for (int round = 0; round < rounds; round++)
        {
            // The sums of the 2 by 2 equations for d and dmin.
            double ss = 0, sm = 0, mm = 0, sx = 0, mx = 0;
            for (int g = 0; g < groups; g++)
            {
                AffineFit group = Group(block, size, highest, g);
                (float q, float qq, float qx) = Improve(group, d, dmin, highestCode, ref scaleCodes[g], ref minCodes[g]);
                double s = scaleCodes[g], m = minCodes[g];
                ss += s * s * qq;
                sm -= s * m * q;
                mm += m * m * group.W;
                sx += s * qx;
                mx -= m * group.X;
            }
            double determinant = ss * mm - sm * sm;
            if (round == rounds - 1 || !(determinant > 0))
                break;
            d = block.WriteHalf((float)((mm * sx - sm * mx) / determinant), halves, 0);
            dmin = block.WriteHalf((float)((ss * mx - sm * sx) / determinant), halves, 2);
        }

        for (int g = 0; g < groups; g++)
        {
            Fit.RoundTo(
                block.Values.Slice(size * g, size), d * scaleCodes[g], -(dmin * minCodes[g]), 0, highest, quants.Slice(size * g, size));
        }
    }

    private static AffineFit Group(in ScaledBlock block, int size, int highest, int g) =>
        new(block.Values.Slice(size * g, size), block.Weights.Slice(size * g, size), highest);

    // Writes the half whose multiples are to be the numbers, the largest as the highest code, and rounds the numbers to them.
    private static float Round(
        ReadOnlySpan<float> numbers, int sign, int highestCode, Span<byte> codes, in ScaledBlock block, Span<byte> halves, int at)
    {
        float largest = 0;
        foreach (float number in numbers)
            largest = MathF.Max(largest, sign * number);
        float unit = block.WriteHalf(largest / highestCode, halves, at);
        for (int g = 0; g < codes.Length; g++)
            codes[g] = unit == 0 ? (byte)0 : (byte)Math.Clamp(MathF.Round(sign * numbers[g] / unit), 0, highestCode);
        return unit;
    }

    // Moves a group's codes to the best of their neighbours: 3 scales times 5 minimums, and the first of these once more.
    private static (float Q, float QQ, float QX) Improve(
        in AffineFit group, float d, float dmin, int highestCode, ref byte scaleCode, ref byte minCode)
    {
        Vector512<float> top = Vector512.Create((float)highestCode);
        Vector512<float> scaleCodes = Vector512.Create(0f, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 0) + Vector512.Create(scaleCode - 1f);
        Vector512<float> minCodes = Vector512.Create(0f, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0) + Vector512.Create(minCode - 2f);
        scaleCodes = Trials.Clamp(scaleCodes, Vector512<float>.Zero, top);
        minCodes = Trials.Clamp(minCodes, Vector512<float>.Zero, top);
        Vector512<float> scale = scaleCodes * d, min = minCodes * -dmin;
        AffineFit.Sums sums = group.Round(scale, min);
        int lane = Trials.Best(group.Error(sums, scale, min)).Lane;
        (scaleCode, minCode) = ((byte)scaleCodes[lane], (byte)minCodes[lane]);
        return (sums.Q[lane], sums.QQ[lane], sums.QX[lane]);
    }
}
