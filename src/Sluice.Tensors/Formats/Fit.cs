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
        float scale = 0, gain = 0, bestInverse = 0;
        for (int i = 0; i <= 2 * steps; i++)
        {
            // The middle first, so that it wins a tie.
            int step = i == 0 ? 0 : i <= steps ? i - steps - 1 : i - steps;
            float inverse = -(reach + 0.1f * step) / extreme;
            float product = 0, square = 0;
            for (int j = 0; j < values.Length; j++)
            {
                float q = Round(values[j] * inverse, -reach, reach - 1);
                product += weights[j] * values[j] * q;
                square += weights[j] * q * q;
            }
            // With scale = product / square the error falls by product^2 / square.
            if (square > 0 && product * product > gain * square)
            {
                scale = product / square;
                gain = scale * product;
                bestInverse = inverse;
            }
        }
        for (int j = 0; j < values.Length; j++)
            quants[j] = (sbyte)Round(values[j] * bestInverse, -reach, reach - 1);
        return scale;
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
