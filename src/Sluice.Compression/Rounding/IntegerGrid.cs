namespace Sluice.Compression;

/// <summary>
/// Integers of 2 to 8 bits with a scale, and a zero point unless symmetric, for each group of weights: what GPTQ's and AWQ's checkpoints
/// hold. Codes count from 0; the zero point is a code too, so that the value 0 is exact.
/// </summary>
public sealed class IntegerGrid : Grid
{
    // The reaches tried: down to 1 - LeastReach of the group's range.
    private const int Shrinks = 24;
    private const float LeastReach = 0.6f;

    private readonly int _highest;

    /// <summary>A grid.</summary>
    /// <param name="bits">Bits of a code, 2 to 8.</param>
    /// <param name="groupSize">Neighbouring weights of a row that share a scale; a row's length for one scale a row.</param>
    /// <param name="symmetric">Whether the zero point is the middle code, so that none is stored.</param>
    /// <exception cref="ArgumentOutOfRangeException">Bits or group size are out of range.</exception>
    public IntegerGrid(int bits, int groupSize, bool symmetric)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bits, 2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, 8);
        ArgumentOutOfRangeException.ThrowIfLessThan(groupSize, 1);
        (Bits, FitSize, IsSymmetric) = (bits, groupSize, symmetric);
        _highest = (1 << bits) - 1;
    }

    /// <summary>Bits of a code.</summary>
    public int Bits { get; }

    /// <summary>Whether the zero point is the middle code.</summary>
    public bool IsSymmetric { get; }

    /// <inheritdoc/>
    public override int FitSize { get; }

    /// <inheritdoc/>
    public override int StepSize => FitSize;

    /// <summary>
    /// Whether scales are rounded to half precision before weights are rounded to them, as checkpoints store them: what then is stored is what
    /// the method chose, and made up for.
    /// </summary>
    public bool HasHalfScales { get; init; }

    /// <summary>The least zero point, where those who read the codes cannot have 0.</summary>
    public int LeastZeroPoint { get; init; }

    /// <summary>The zero point of a step: the code that stands for 0.</summary>
    public static int ZeroPoint(in Step step) => step.Scale == 0 ? 0 : (int)MathF.Round(-step.Min / step.Scale);

    /// <inheritdoc/>
    public override void Fit(ReadOnlySpan<float> values, ReadOnlySpan<float> importance, Span<Step> steps, Span<byte> block)
    {
        float least = 0, most = 0;
        foreach (float value in values)
            (least, most) = (MathF.Min(least, value), MathF.Max(most, value));
        Step best = Between(least, most);
        // Reaching less far costs the outermost weights and spares all others; worth it where the bits are few.
        double bestError = importance.IsEmpty ? 0 : Error(values, importance, best);
        for (int i = 1; i <= Shrinks && bestError > 0; i++)
        {
            float share = 1 - i * LeastReach / Shrinks;
            Step step = Between(share * least, share * most);
            double error = Error(values, importance, step);
            if (error < bestError)
                (bestError, best) = (error, step);
        }
        steps[0] = best;
    }

    private double Error(ReadOnlySpan<float> values, ReadOnlySpan<float> importance, in Step step)
    {
        double sum = 0;
        for (int i = 0; i < values.Length; i++)
        {
            float error = values[i] - (step.Scale * Nearest(values[i], step) + step.Min);
            sum += importance[i] * error * error;
        }
        return sum;
    }

    /// <summary>The step that reaches from one value, at most 0, to another, at least 0.</summary>
    public Step Between(float least, float most)
    {
        if (IsSymmetric)
        {
            most = MathF.Max(-least, most);
            least = -most;
        }
        // Below the least zero point there are that many codes fewer for the upper end.
        float scale = MathF.Max((most - least) / _highest, IsSymmetric ? 0 : most / (_highest - LeastZeroPoint));
        if (HasHalfScales)
            scale = (float)(Half)scale;
        float zero = scale == 0 ? 0 : IsSymmetric ? (_highest + 1) / 2 : Math.Clamp(MathF.Round(-least / scale), LeastZeroPoint, _highest);
        return new Step(scale, -scale * zero);
    }

    /// <inheritdoc/>
    public override int Nearest(float value, in Step step) =>
        step.Scale == 0 ? 0 : (int)Math.Clamp(MathF.Round(value / step.Scale) + ZeroPoint(step), 0, _highest);
}
