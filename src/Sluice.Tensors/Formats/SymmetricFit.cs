using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Formats;

/// <summary>
/// Fits <c>scale * q</c> to a group of weights by weighted least squares, where q is one of few numbers (<see cref="IRounding"/>):
/// sixteen trials in one pass over the group.
/// </summary>
internal readonly ref struct SymmetricFit<T>(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, T rounding)
    where T : struct, IRounding
{
    private readonly ReadOnlySpan<float> _values = values, _weights = weights;
    private readonly T _rounding = rounding;

    /// <summary>The sums that rounding to a scale gives: weighted q squared, and q times value.</summary>
    public readonly record struct Sums(Vector512<float> QQ, Vector512<float> QX)
    {
        /// <summary>The squared error less what it would be with all zeros.</summary>
        public Vector512<float> Error(Vector512<float> scale) => scale * (scale * QQ - 2 * QX);
    }

    /// <summary>Rounds the group to a scale.</summary>
    public Sums Round(Vector512<float> scale)
    {
        Vector512<float> inverse = Trials.Inverse(scale), qq = default, qx = default;
        for (int i = 0; i < _values.Length; i++)
        {
            Vector512<float> x = Vector512.Create(_values[i]);
            Vector512<float> q = _rounding.Nearest(x * inverse), weighted = q * Vector512.Create(_weights[i]);
            qq += weighted * q;
            qx += weighted * x;
        }
        return new(qq, qx);
    }

    /// <summary>Searches: tries scales around those that take the extreme value to either end of the numbers, and lets each settle.</summary>
    /// <returns>The scale, of either sign; 0 where all values are 0.</returns>
    public float Search()
    {
        float extreme = Fit.Extreme(_values);
        if (extreme == 0)
            return 0;
        (float scale, float least) = (0, 0);
        foreach (float end in (ReadOnlySpan<float>)[_rounding.Lowest, _rounding.Highest])
        {
            (float settled, float error) = Settle(Vector512.Create(extreme / end) * (Trials.Numbers * 0.04f + Vector512.Create(0.7f)));
            if (error < least)
                (scale, least) = (settled, error);
        }
        return scale;
    }

    private (float Scale, float Error) Settle(Vector512<float> scale)
    {
        Vector512<float> bestScale = scale, least = Vector512<float>.Zero;
        const int settling = 3;
        for (int i = 0; i < settling; i++)
        {
            Sums sums = Round(scale);
            // Solved for the scale, the error falls by the square of QX over QQ.
            scale = sums.QX * Trials.Inverse(sums.QQ);
            Vector512<float> error = -(scale * sums.QX), isBetter = Vector512.LessThan(error, least);
            bestScale = Vector512.ConditionalSelect(isBetter, scale, bestScale);
            least = Vector512.ConditionalSelect(isBetter, error, least);
        }
        (int lane, float best) = Trials.Best(least);
        return (bestScale[lane], best);
    }
}
