using System.Numerics;
using System.Runtime.InteropServices;

namespace Sluice.Tensors.Formats;

/// <summary>
/// Fits <c>scale * q + min</c>, q in [0, highest], min at most 0, to a group of weights by weighted least squares. All that
/// the error depends on are six sums, three of them of the group alone, so a trial is one pass over the group.
/// </summary>
internal readonly ref struct AffineFit
{
    private readonly ReadOnlySpan<Vector<float>> _values;
    private readonly ReadOnlySpan<Vector<float>> _weights;
    private readonly int _highest;
    private readonly float _least;
    private readonly float _most;
    private readonly double _xx;

    /// <summary>The sum of the weights.</summary>
    public double W { get; }

    /// <summary>The weighted sum of the values.</summary>
    public double X { get; }

    /// <summary>Prepares to fit a group of 16 or 32.</summary>
    public AffineFit(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, int highest)
    {
        _values = MemoryMarshal.Cast<float, Vector<float>>(values);
        _weights = MemoryMarshal.Cast<float, Vector<float>>(weights);
        _highest = highest;
        for (int i = 0; i < values.Length; i++)
        {
            double weighted = (double)weights[i] * values[i];
            W += weights[i];
            X += weighted;
            _xx += weighted * values[i];
            // The minimum is not above 0, so the range always reaches there.
            _least = MathF.Min(_least, values[i]);
            _most = i == 0 ? values[i] : MathF.Max(_most, values[i]);
        }
    }

    /// <summary>The sums that rounding to a scale and a minimum gives: weighted q, q squared, and q times value.</summary>
    public readonly record struct Sums(double Q, double QQ, double QX);

    /// <summary>Rounds the group to a scale and a minimum.</summary>
    public Sums Round(float scale, float min)
    {
        Vector<float> inverse = new(scale == 0 ? 0 : 1 / scale), offset = new(min), top = new(_highest);
        Vector<float> q = default, qq = default, qx = default;
        for (int i = 0; i < _values.Length; i++)
        {
            Vector<float> x = _values[i];
            Vector<float> code = Vector.Min(Vector.Max(Vector.Round((x - offset) * inverse), Vector<float>.Zero), top);
            Vector<float> weighted = code * _weights[i];
            q += weighted;
            qq += weighted * code;
            qx += weighted * x;
        }
        return new(Vector.Sum(q), Vector.Sum(qq), Vector.Sum(qx));
    }

    /// <summary>The weighted squared error of <c>scale * q + min</c>, for the integers of <paramref name="sums"/>.</summary>
    public double Error(in Sums sums, double scale, double min) =>
        _xx - 2 * scale * sums.QX - 2 * min * X + scale * scale * sums.QQ + 2 * scale * min * sums.Q + min * min * W;

    /// <summary>
    /// Searches: tries scales around the one that spans the group, and lets each settle (round, solve for scale and minimum,
    /// until the error falls no more).
    /// </summary>
    public (float Scale, float Min) Search()
    {
        (float Scale, float Min) best = (0, W > 0 ? Math.Min(0, (float)(X / W)) : 0);
        if (!(_most > _least))
            return best;
        double bestError = double.MaxValue;
        const int steps = 10, settling = 4;
        for (int step = -steps; step <= steps; step++)
        {
            (float Scale, float Min) fit = ((_most - _least) / (_highest + 0.1f * step), _least);
            for (int i = 0; i < settling; i++)
            {
                Sums sums = Round(fit.Scale, fit.Min);
                fit = Solve(sums, fit);
                double error = Error(sums, fit.Scale, fit.Min);
                if (!(error < bestError))
                    break;
                (bestError, best) = (error, fit);
            }
        }
        return best;
    }

    // The scale and minimum that minimise Error for given integers; the old ones where these do not determine them.
    private (float Scale, float Min) Solve(in Sums sums, (float Scale, float Min) old)
    {
        double determinant = W * sums.QQ - sums.Q * sums.Q;
        if (!(determinant > 0))
            return old;
        double min = (sums.QQ * X - sums.Q * sums.QX) / determinant;
        return min <= 0
            ? ((float)((W * sums.QX - X * sums.Q) / determinant), (float)min)
            : ((float)(sums.QX / sums.QQ), 0);
    }
}
