namespace Sluice.Tensors.Formats;

/// <summary>
/// Quantizes a block of Q4_K or Q5_K: fits every group alone, rounds scales and minimums to their 6 bits, then corrects
/// for that rounding by trying each group's neighbouring codes and solving for the two halves that all groups share.
/// </summary>
internal static class KQuantizer
{
    private const int Groups = 8, GroupSize = 32, Highest6 = 63;

    /// <summary>Writes the block's header (d, dmin, packed scales) and gives the weights' integers.</summary>
    /// <param name="values">256 values.</param>
    /// <param name="importance">What each value's squared error counts, or empty: all the same.</param>
    /// <param name="highest">The largest integer: 15 or 31.</param>
    /// <param name="quants">256 integers, written.</param>
    /// <param name="block">The block, whose first 16 bytes are written.</param>
    public static void Quantize(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, int highest, Span<sbyte> quants, Span<byte> block)
    {
        Span<float> ones = stackalloc float[GroupSize];
        ones.Fill(1);
        Span<float> scales = stackalloc float[Groups], mins = stackalloc float[Groups];
        for (int g = 0; g < Groups; g++)
            (scales[g], mins[g]) = Group(values, importance, ones, highest, g).Search();

        Span<byte> scaleCodes = stackalloc byte[Groups], minCodes = stackalloc byte[Groups];
        float d = Round6(scales, 1, scaleCodes, block, 0), dmin = Round6(mins, -1, minCodes, block, 2);
        const int rounds = 2;
        for (int round = 0; round < rounds; round++)
        {
            // The sums of the 2 by 2 equations for d and dmin.
            double ss = 0, sm = 0, mm = 0, sx = 0, mx = 0;
            for (int g = 0; g < Groups; g++)
            {
                AffineFit group = Group(values, importance, ones, highest, g);
                AffineFit.Sums sums = Improve(group, d, dmin, ref scaleCodes[g], ref minCodes[g]);
                double s = scaleCodes[g], m = minCodes[g];
                ss += s * s * sums.QQ;
                sm -= s * m * sums.Q;
                mm += m * m * group.W;
                sx += s * sums.QX;
                mx -= m * group.X;
            }
            double determinant = ss * mm - sm * sm;
            if (round == rounds - 1 || !(determinant > 0))
                break;
            d = Fields.WriteHalf((float)((mm * sx - sm * mx) / determinant), block, 0);
            dmin = Fields.WriteHalf((float)((ss * mx - sm * sx) / determinant), block, 2);
        }

        KScales.Pack(scaleCodes, minCodes, block.Slice(4, KScales.Bytes));
        for (int g = 0; g < Groups; g++)
        {
            Fit.RoundTo(
                values.Slice(GroupSize * g, GroupSize), d * scaleCodes[g], -(dmin * minCodes[g]), 0, highest,
                quants.Slice(GroupSize * g, GroupSize));
        }
    }

    private static AffineFit Group(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, ReadOnlySpan<float> ones, int highest, int g)
    {
        ReadOnlySpan<float> weights = importance.IsEmpty ? ones : importance.Slice(GroupSize * g, GroupSize);
        return new(values.Slice(GroupSize * g, GroupSize), weights, highest);
    }

    // Writes the half whose multiples are to be the numbers, the largest as the 63rd, and rounds the numbers to them.
    private static float Round6(ReadOnlySpan<float> numbers, int sign, Span<byte> codes, Span<byte> block, int at)
    {
        float largest = 0;
        foreach (float number in numbers)
            largest = MathF.Max(largest, sign * number);
        float unit = Fields.WriteHalf(largest / Highest6, block, at);
        for (int g = 0; g < Groups; g++)
            codes[g] = unit == 0 ? (byte)0 : (byte)Math.Clamp(MathF.Round(sign * numbers[g] / unit), 0, Highest6);
        return unit;
    }

    // Moves a group's codes to the best of their neighbours.
    private static AffineFit.Sums Improve(AffineFit group, float d, float dmin, ref byte scaleCode, ref byte minCode)
    {
        int oldScale = scaleCode, oldMin = minCode;
        AffineFit.Sums best = default;
        double bestError = double.MaxValue;
        for (int s = Math.Max(0, oldScale - 1); s <= Math.Min(Highest6, oldScale + 1); s++)
        {
            for (int m = Math.Max(0, oldMin - 1); m <= Math.Min(Highest6, oldMin + 1); m++)
            {
                AffineFit.Sums sums = group.Round(d * s, -(dmin * m));
                double error = group.Error(sums, d * s, -(dmin * m));
                if (error < bestError)
                    (bestError, best, scaleCode, minCode) = (error, sums, (byte)s, (byte)m);
            }
        }
        return best;
    }
}
