namespace Sluice.Tensors.Formats;

/// <summary>
/// Quantizes a block of a <see cref="PointFormat"/>: finds every group's best scale alone, rounds the scales to their codes, then corrects
/// for that rounding by trying each group's neighbouring codes and solving for the half that all groups share.
/// </summary>
internal static class PointQuantizer
{
    private const int MostPoints = 64, MostGroups = 16;

    /// <summary>Encodes a block.</summary>
    /// <param name="format">The format.</param>
    /// <param name="values">A block's values.</param>
    /// <param name="importance">What each one's squared error counts, or empty: the more, the larger the value.</param>
    /// <param name="meanSquare">The mean square of the row's values.</param>
    /// <param name="bytes">The block, written.</param>
    public static void Quantize(
        PointFormat format, ReadOnlySpan<float> values, scoped ReadOnlySpan<float> importance, float meanSquare, Span<byte> bytes)
    {
        Span<float> guess = stackalloc float[PointFormat.Weights];
        if (importance.IsEmpty)
        {
            for (int i = 0; i < guess.Length; i++)
                guess[i] = MathF.Sqrt(meanSquare + values[i] * values[i]);
            importance = guess;
        }
        ScaledBlock block = new(values, importance, stackalloc float[2 * PointFormat.Weights]);
        Span<float> x = stackalloc float[PointFormat.Weights];
        Span<byte> signs = stackalloc byte[format.HasSigns ? PointFormat.Weights / PointFormat.SignedWeights : 0];
        block.Values.CopyTo(x);
        for (int i = 0; i < signs.Length; i++)
            signs[i] = TakeSigns(x.Slice(8 * i, 8), block.Weights.Slice(8 * i, 8), format.Signs == SignRule.Even);

        int groups = format.GroupCount, size = format.GroupSize, points = format.PointCount / groups, highest = format.HighestScale;
        Span<ushort> indices = stackalloc ushort[MostPoints], trial = stackalloc ushort[MostPoints];
        Span<float> scales = stackalloc float[MostGroups];
        Span<byte> codes = stackalloc byte[MostGroups], d = stackalloc byte[2];
        float largest = 0;
        for (int g = 0; g < groups; g++)
        {
            scales[g] = Search(format, x.Slice(g * size, size), block.Weights.Slice(g * size, size), trial);
            largest = MathF.Max(largest, scales[g]);
        }
        float unit = format.Unit * block.WriteHalf(largest / (format.Unit * (2 * highest + 1)), d, 0);
        for (int g = 0; g < groups; g++)
            codes[g] = unit == 0 ? (byte)0 : (byte)Math.Clamp(MathF.Round((scales[g] / unit - 1) / 2), 0, highest);
        const int rounds = 3;
        for (int round = 0; round < rounds; round++)
        {
            double cc = 0, cx = 0;
            for (int g = 0; g < groups; g++)
            {
                (int first, int last, float least) = (Math.Max(0, codes[g] - 1), Math.Min(highest, codes[g] + 1), float.PositiveInfinity);
                (double ownCc, double ownCx) = (0, 0);
                for (int code = first; code <= last; code++)
                {
                    (float scale, int number) = (unit * (2 * code + 1), 2 * code + 1);
                    (float qq, float qx) = Choose(format, x.Slice(g * size, size), block.Weights.Slice(g * size, size), scale, trial);
                    float error = scale * (scale * qq - 2 * qx);
                    if (!(error < least))
                        continue;
                    (least, codes[g], ownCc, ownCx) = (error, (byte)code, (double)number * number * qq, (double)number * qx);
                    trial[..points].CopyTo(indices[(g * points)..]);
                }
                cc += ownCc;
                cx += ownCx;
            }
            if (round == rounds - 1 || !(cc > 0))
                break;
            unit = format.Unit * block.WriteHalf((float)(cx / cc) / format.Unit, d, 0);
        }
        bytes.Clear();
        format.Write(bytes, d, indices[..format.PointCount], signs, codes[..groups]);
    }

    // Makes 8 values positive and gives the signs they had. Where their number must be even, the sign whose change costs least is
    // changed, and its value stays below 0.
    private static byte TakeSigns(Span<float> x, ReadOnlySpan<float> weights, bool isEven)
    {
        int signs = 0, cheapest = 0;
        for (int i = 0; i < x.Length; i++)
        {
            signs |= x[i] < 0 ? 1 << i : 0;
            x[i] = MathF.Abs(x[i]);
            if (weights[i] * x[i] * x[i] < weights[cheapest] * x[cheapest] * x[cheapest])
                cheapest = i;
        }
        if (isEven && int.IsOddInteger(System.Numerics.BitOperations.PopCount((uint)signs)))
        {
            signs ^= 1 << cheapest;
            x[cheapest] = -x[cheapest];
        }
        return (byte)signs;
    }

    // The scale of a group: tries some around the one at which its values are as large as points are, then lets the best settle.
    private static float Search(PointFormat format, ReadOnlySpan<float> x, ReadOnlySpan<float> weights, Span<ushort> indices)
    {
        float ww = 0, xx = 0;
        for (int i = 0; i < x.Length; i++)
        {
            ww += weights[i];
            xx += weights[i] * x[i] * x[i];
        }
        if (!(xx > 0))
            return 0;
        float middle = MathF.Sqrt(xx / ww) / format.SearchedPoints.Neighbours.Size, best = 0, gain = 0;
        const int steps = 14, settling = 2;
        for (int step = 0; step < steps + settling; step++)
        {
            (float qq, float qx) = Choose(format, x, weights, step < steps ? middle * (0.45f + 0.1f * step) : best, indices);
            // Solved for the scale, the error falls by the square of qx over qq.
            if (qx > 0 && qx * qx > gain * qq)
                (best, gain) = (qx / qq, qx * qx / qq);
        }
        return best;
    }

    // The points of a group at a scale, and their sums.
    private static (float QQ, float QX) Choose(
        PointFormat format, ReadOnlySpan<float> x, ReadOnlySpan<float> weights, float scale, Span<ushort> indices)
    {
        float inverse = scale == 0 ? 0 : 1 / scale, qq = 0, qx = 0;
        Neighbours neighbours = format.SearchedPoints.Neighbours;
        int width = format.Points.Width, shifted = format.ShiftedWeights;
        if (shifted == 0)
        {
            for (int i = 0; i < x.Length; i += width)
                indices[i / width] = (ushort)neighbours.Find(x.Slice(i, width), weights.Slice(i, width), inverse, 0, ref qq, ref qx);
            return (qq, qx);
        }
        Span<ushort> down = stackalloc ushort[4];
        for (int start = 0; start < x.Length; start += shifted)
        {
            (float upQq, float upQx, float downQq, float downQx) = (0, 0, 0, 0);
            for (int i = 0; i < shifted; i += width)
            {
                ReadOnlySpan<float> values = x.Slice(start + i, width), w = weights.Slice(start + i, width);
                indices[(start + i) / width] = (ushort)neighbours.Find(values, w, inverse, 1, ref upQq, ref upQx);
                down[i / width] = (ushort)(neighbours.Find(values, w, inverse, -1, ref downQq, ref downQx) + format.SearchedPoints.Count);
            }
            if (scale * downQq - 2 * downQx < scale * upQq - 2 * upQx)
            {
                down[..(shifted / width)].CopyTo(indices[(start / width)..]);
                (upQq, upQx) = (downQq, downQx);
            }
            qq += upQq;
            qx += upQx;
        }
        return (qq, qx);
    }
}
