using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Formats;

/// <summary>
/// Fits <c>scale * q + min</c>, q in [0, highest], to a group of weights by weighted least squares. All that the error depends on are
/// six sums, three of them of the group alone, so that sixteen trials (<see cref="Trials"/>) are one pass over the group.
/// </summary>
internal readonly ref struct AffineFit
{
    private readonly ReadOnlySpan<float> _values;
    private readonly ReadOnlySpan<float> _weights;
    private readonly float _highest;
    private readonly bool _isMinFree;
    private readonly float _least;
    private readonly float _most;
    private readonly float _xx;

    /// <summary>Prepares to fit a group.</summary>
    /// <param name="values">The values.</param>
    /// <param name="weights">What each one's squared error counts.</param>
    /// <param name="highest">The largest q.</param>
    /// <param name="isMinFree">Whether the minimum may be above 0.</param>
    public AffineFit(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int highest, bool isMinFree = false)
    {
        _values = values;
        _weights = weights;
        (_highest, _isMinFree) = (highest, isMinFree);
        _least = isMinFree ? values[0] : 0;
        _most = values[0];
        for (int i = 0; i < values.Length; i++)
        {
            float weighted = weights[i] * values[i];
            W += weights[i];
            X += weighted;
            _xx += weighted * values[i];
            _least = MathF.Min(_least, values[i]);
            _most = MathF.Max(_most, values[i]);
        }
    }

    /// <summary>The sum of the weights.</summary>
    public float W { get; }

    /// <summary>The weighted sum of the values.</summary>
    public float X { get; }

    /// <summary>The sums that rounding to a scale and a minimum gives: weighted q, q squared, and q times value.</summary>
    public readonly record struct Sums(Vector512<float> Q, Vector512<float> QQ, Vector512<float> QX);

    /// <summary>Rounds the group to a scale and a minimum.</summary>
    public Sums Round(Vector512<float> scale, Vector512<float> min)
    {
        Vector512<float> inverse = Trials.Inverse(scale), top = Vector512.Create(_highest);
        Vector512<float> q = default, qq = default, qx = default;
        for (int i = 0; i < _values.Length; i++)
        {
            Vector512<float> x = Vector512.Create(_values[i]);
            Vector512<float> code = Trials.Clamp(Vector512.Round((x - min) * inverse), Vector512<float>.Zero, top);
            Vector512<float> weighted = code * Vector512.Create(_weights[i]);
            q += weighted;
            qq += weighted * code;
            qx += weighted * x;
        }
        return new(q, qq, qx);
    }

    /// <summary>The weighted squared error of <c>scale * q + min</c>, for the integers of <paramref name="sums"/>.</summary>
    public Vector512<float> Error(in Sums sums, Vector512<float> scale, Vector512<float> min) =>
        Vector512.Create(_xx) + scale * (scale * sums.QQ + 2 * (min * sums.Q - sums.QX)) + min * (min * W - Vector512.Create(2 * X));

    /// <summary>
    /// Searches: tries scales around the one that spans the group, and lets each settle (round, solve for scale and minimum).
    /// </summary>
    public (float Scale, float Min) Search()
    {
        float mean = W > 0 ? X / W : 0;
        (float Scale, float Min) best = (0, _isMinFree ? mean : MathF.Min(0, mean));
        if (!(_most > _least))
            return best;
        const int settling = 4;
        const float first = -1.5f, step = 0.2f;
        Vector512<float> scale = Vector512.Create(_most - _least) / (Trials.Numbers * step + Vector512.Create(_highest + first));
        Vector512<float> min = Vector512.Create(_least), bestScale = scale, bestMin = min;
        Vector512<float> least = Vector512.Create(float.PositiveInfinity);
        for (int i = 0; i < settling; i++)
        {
            Sums sums = Round(scale, min);
            (scale, min) = Solve(sums, scale, min);
            Vector512<float> error = Error(sums, scale, min);
            Vector512<float> isBetter = Vector512.LessThan(error, least);
            if (isBetter == Vector512<float>.Zero)
                break;
            least = Vector512.ConditionalSelect(isBetter, error, least);
            bestScale = Vector512.ConditionalSelect(isBetter, scale, bestScale);
            bestMin = Vector512.ConditionalSelect(isBetter, min, bestMin);
        }
        int lane = Trials.Best(least).Lane;
        return (bestScale[lane], bestMin[lane]);
    }

    // The scale and minimum that minimise Error for given integers; the old ones where these do not determine them.
    private (Vector512<float> Scale, Vector512<float> Min) Solve(in Sums sums, Vector512<float> oldScale, Vector512<float> oldMin)
    {
        Vector512<float> product = sums.QQ * W, determinant = product - sums.Q * sums.Q;
        Vector512<float> scale = (sums.QX * W - sums.Q * X) / determinant;
        Vector512<float> min = (sums.QQ * X - sums.Q * sums.QX) / determinant;
        if (!_isMinFree)
        {
            Vector512<float> isAbove = Vector512.GreaterThan(min, Vector512<float>.Zero);
            scale = Vector512.ConditionalSelect(isAbove, sums.QX / sums.QQ, scale);
            min = Vector512.AndNot(min, isAbove);
        }
        Vector512<float> isSolved = Vector512.GreaterThan(determinant, product * 1e-5f);
        return (Vector512.ConditionalSelect(isSolved, scale, oldScale), Vector512.ConditionalSelect(isSolved, min, oldMin));
    }
}
