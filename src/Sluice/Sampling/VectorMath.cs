using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Sluice.Sampling;

/// <summary>
/// Passes over a whole vocabulary. Always eight lanes and never a fused multiply-add, so that the same logits give the same
/// bits on every processor.
/// </summary>
internal static class VectorMath
{
    private const int Lanes = 8;

    /// <summary>Turns NaN into negative infinity and positive infinity into the largest number, in place.</summary>
    /// <returns>The largest value, negative infinity where there is none.</returns>
    public static float Sanitize(Span<float> x)
    {
        Span<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(x);
        Vector256<float> lowest = Vector256.Create(float.NegativeInfinity), highest = Vector256.Create(float.MaxValue), max = lowest;
        foreach (ref Vector256<float> v in vectors)
        {
            v = Vector256.ConditionalSelect(Vector256.Equals(v, v), v, lowest); // only NaN differs from itself
            v = Vector256.ConditionalSelect(Vector256.GreaterThan(v, highest), highest, v);
            max = Vector256.ConditionalSelect(Vector256.GreaterThan(v, max), v, max);
        }
        float result = float.NegativeInfinity;
        for (int lane = 0; lane < Lanes; lane++)
            result = Math.Max(result, max[lane]);
        foreach (ref float value in x[(vectors.Length * Lanes)..])
        {
            value = float.IsNaN(value) ? float.NegativeInfinity : Math.Min(value, float.MaxValue);
            result = Math.Max(result, value);
        }
        return result;
    }

    /// <summary>Leaves values that have a bit, in place; others become negative infinity.</summary>
    /// <returns>The largest value, negative infinity where there is none.</returns>
    public static float Mask(Span<float> x, ReadOnlySpan<ulong> bits)
    {
        Vector256<float> lowest = Vector256.Create(float.NegativeInfinity), max = lowest;
        Vector256<int> bitOfLane = Vector256.Create(1, 2, 4, 8, 16, 32, 64, 128);
        float result = float.NegativeInfinity;
        for (int start = 0; start < x.Length; start += 64)
        {
            Span<float> part = x.Slice(start, Math.Min(64, x.Length - start));
            ulong word = start / 64 < bits.Length ? bits[start / 64] : 0;
            if (word == 0)
            {
                part.Fill(float.NegativeInfinity);
                continue;
            }
            Span<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(part);
            for (int i = 0; i < vectors.Length; i++)
            {
                Vector256<int> isOut = Vector256.Equals(Vector256.Create((int)(word >> (i * Lanes))) & bitOfLane, Vector256<int>.Zero);
                Vector256<float> v = vectors[i] = Vector256.ConditionalSelect(isOut.AsSingle(), lowest, vectors[i]);
                max = Vector256.ConditionalSelect(Vector256.GreaterThan(v, max), v, max);
            }
            for (int i = vectors.Length * Lanes; i < part.Length; i++)
            {
                part[i] = (word >> i & 1) != 0 ? part[i] : float.NegativeInfinity;
                result = Math.Max(result, part[i]);
            }
        }
        for (int lane = 0; lane < Lanes; lane++)
            result = Math.Max(result, max[lane]);
        return result;
    }

    /// <summary>The first index of a value that is there.</summary>
    public static int IndexOf(ReadOnlySpan<float> x, float value)
    {
        ReadOnlySpan<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(x);
        Vector256<float> wanted = Vector256.Create(value);
        int i = 0;
        while (i < vectors.Length && !Vector256.EqualsAny(vectors[i], wanted))
            i++;
        i *= Lanes;
        while (x[i] != value)
            i++;
        return i;
    }

    /// <summary>Writes exp((x - max) / temperature), where max is the largest x.</summary>
    /// <returns>Their sum.</returns>
    public static double Exponentials(ReadOnlySpan<float> x, float max, float temperature, Span<float> weights)
    {
        ReadOnlySpan<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(x);
        Span<Vector256<float>> results = MemoryMarshal.Cast<float, Vector256<float>>(weights);
        Vector256<double> low = default, high = default;
        for (int i = 0; i < vectors.Length; i++)
        {
            Vector256<float> e = results[i] = Exp((vectors[i] - Vector256.Create(max)) / Vector256.Create(temperature));
            low += Vector256.WidenLower(e);
            high += Vector256.WidenUpper(e);
        }
        double sum = Vector256.Sum(low + high);
        for (int i = vectors.Length * Lanes; i < x.Length; i++)
        {
            weights[i] = Exp(Vector256.Create((x[i] - max) / temperature))[0];
            sum += weights[i];
        }
        return sum;
    }

    /// <summary>
    /// exp(x) for x up to 0, within 2 ulp; 0 below -87, where floats lose their precision. x = n ln 2 + r with |r| up to
    /// ln(2)/2, and exp(r) by its series to the seventh power, which is exact enough for a float there.
    /// </summary>
    private static Vector256<float> Exp(Vector256<float> x)
    {
        Vector256<float> isZero = Vector256.LessThan(x, Vector256.Create(-87f));
        x = Vector256.ConditionalSelect(isZero, Vector256<float>.Zero, x);
        Vector256<float> n = Vector256.Floor((x * Vector256.Create(1.44269504f)) + Vector256.Create(0.5f));
        // ln 2 in two parts: n times the first, which has few bits, is exact.
        Vector256<float> r = x - (n * Vector256.Create(0.693359375f)) - (n * Vector256.Create(-2.12194440e-4f));
        Vector256<float> p = Vector256.Create(1 / 5040f);
        p = (p * r) + Vector256.Create(1 / 720f);
        p = (p * r) + Vector256.Create(1 / 120f);
        p = (p * r) + Vector256.Create(1 / 24f);
        p = (p * r) + Vector256.Create(1 / 6f);
        p = (p * r) + Vector256.Create(0.5f);
        p = (p * r) + Vector256<float>.One;
        p = (p * r) + Vector256<float>.One;
        Vector256<int> exponent = Vector256.ConvertToInt32(n) + Vector256.Create(127);
        p *= Vector256.ShiftLeft(exponent, 23).AsSingle();
        return Vector256.AndNot(p, isZero);
    }
}
