using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Formats;

/// <summary>Finds the scales that quantizers use, by weighted least squares over rounded integers.</summary>
internal static class Fit
{
    // Below this, a group counts as zero.
    private const float Negligible = 1e-15f;

    /// <summary>The value of the largest magnitude, with its sign (the first of several).</summary>
    public static float Extreme(ReadOnlySpan<float> values)
    {
        float extreme = 0;
        foreach (float value in values)
        {
            if (MathF.Abs(value) > MathF.Abs(extreme))
                extreme = value;
        }
        return extreme;
    }

    /// <summary>
    /// Finds integers in [-<paramref name="reach"/>, reach - 1] and the scale that minimises the weighted squared error of
    /// <c>scale * quants</c>: tries scales around the one that takes the extreme value to -reach, each refitted to its integers.
    /// </summary>
    /// <returns>The scale, of either sign; 0 where all values are.</returns>
    public static float Symmetric(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int reach, Span<sbyte> quants)
    {
        float extreme = Extreme(values);
        if (MathF.Abs(extreme) < Negligible)
        {
            quants.Clear();
            return 0;
        }
        const int steps = 9;
        Span<float> products = stackalloc float[2 * Trials.Count], squares = stackalloc float[2 * Trials.Count];
        for (int i = 0; i < products.Length; i += Trials.Count)
        {
            Vector512<float> step = Trials.Numbers + Vector512.Create((float)(i - steps));
            Try(values, weights, reach, Inverse(step), products[i..], squares[i..]);
        }
        float scale = 0, gain = 0, bestInverse = 0;
        for (int i = 0; i <= 2 * steps; i++)
        {
            // The middle first, so that it wins a tie.
            int lane = i == 0 ? steps : i <= steps ? i - 1 : i;
            (float product, float square) = (products[lane], squares[lane]);
            // With scale = product / square the error falls by product^2 / square.
            if (square > 0 && product * product > gain * square)
            {
                scale = product / square;
                gain = scale * product;
                bestInverse = Inverse(Vector512.Create((float)(lane - steps)))[0];
            }
        }
        for (int j = 0; j < values.Length; j++)
            quants[j] = (sbyte)Round(values[j] * bestInverse, -reach, reach - 1);
        return scale;

        Vector512<float> Inverse(Vector512<float> step) =>
            Vector512.Create(-1f) * (step * 0.1f + Vector512.Create((float)reach)) / Vector512.Create(extreme);
    }

    // The weighted sums of q times value and of q squared, for each lane's scale.
    private static void Try(
        ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int reach, Vector512<float> inverse, Span<float> products, Span<float> squares)
    {
        Integers integers = new(-reach, reach - 1);
        Vector512<float> product = default, square = default;
        for (int i = 0; i < values.Length; i++)
        {
            Vector512<float> q = integers.Nearest(Vector512.Create(values[i]) * inverse);
            product += Vector512.Create(weights[i] * values[i]) * q;
            square += q * weights[i] * q;
        }
        product.CopyTo(products);
        square.CopyTo(squares);
    }

    /// <summary>
    /// Quantizes 32 values of Q4_0 or Q5_0 to codes in [0, 2 reach), which stand for code - reach: without importance so that the
    /// extreme value becomes -reach, the end of the range that reaches further; otherwise by a search.
    /// </summary>
    /// <returns>The scale.</returns>
    public static float ToExtreme(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, int reach, Span<sbyte> codes)
    {
        if (importance.IsEmpty)
        {
            float d = Extreme(values) / -reach, inverse = d == 0 ? 0 : 1 / d;
            for (int i = 0; i < codes.Length; i++)
                codes[i] = (sbyte)Math.Min(2 * reach - 1, (int)(values[i] * inverse + (reach + 0.5f)));
            return d;
        }
        Span<float> weights = stackalloc float[32];
        for (int i = 0; i < weights.Length; i++)
            weights[i] = importance[i] * MathF.Sqrt(meanSquare + values[i] * values[i]);
        float scale = Symmetric(values, weights, reach, codes);
        Fields.Add(codes, (sbyte)reach);
        return scale;
    }

    /// <summary>Rounds values to codes 0, 1 and 2, which stand for -1, 0 and 1 times the largest magnitude.</summary>
    /// <returns>That magnitude.</returns>
    public static float Ternary(ReadOnlySpan<float> values, Span<sbyte> codes)
    {
        float largest = MathF.Abs(Extreme(values)), inverse = largest == 0 ? 0 : 1 / largest;
        for (int i = 0; i < values.Length; i++)
            codes[i] = (sbyte)(MathF.Round(values[i] * inverse, MidpointRounding.AwayFromZero) + 1);
        return largest;
    }

    /// <summary>
    /// Quantizes 32 values of Q4_1 or Q5_1, whose scale and minimum are halves at the block's begin: without importance so that the codes
    /// span them all, otherwise by a search.
    /// </summary>
    public static void Affine(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, int highest, Span<sbyte> codes, Span<byte> block)
    {
        if (importance.IsEmpty)
        {
            float least = values[0], most = values[0];
            foreach (float value in values)
                (least, most) = (MathF.Min(least, value), MathF.Max(most, value));
            float d = (most - least) / highest, inverse = d == 0 ? 0 : 1 / d;
            Fields.WriteHalf(d, block, 0);
            Fields.WriteHalf(least, block, 2);
            for (int i = 0; i < codes.Length; i++)
                codes[i] = (sbyte)Math.Min(highest, (int)((values[i] - least) * inverse + 0.5f));
            return;
        }
        ScaledBlock scaled = new(values, importance, stackalloc float[64]);
        (float scale, float min) = new AffineFit(scaled.Values, scaled.Weights, highest, isMinFree: true).Search();
        scale = scaled.WriteHalf(scale, block, 0);
        min = scaled.WriteHalf(min, block, 2);
        codes.Clear();
        RoundTo(scaled.Values, scale, min, 0, highest, codes);
    }

    /// <summary>
    /// Rounds values to the integers that come nearest in <c>scale * q + min</c>; leaves <paramref name="quants"/> alone
    /// where the scale is 0, since then they mean nothing.
    /// </summary>
    public static void RoundTo(
        ReadOnlySpan<float> values, float scale, float min, int lowest, int highest, Span<sbyte> quants)
    {
        if (scale == 0)
            return;
        for (int i = 0; i < values.Length; i++)
            quants[i] = (sbyte)Round((values[i] - min) / scale, lowest, highest);
    }

    private static float Round(float value, int lowest, int highest) => Math.Clamp(MathF.Round(value), lowest, highest);
}
