using System.Numerics;
using System.Runtime.InteropServices;

namespace Sluice.Tensors.Cpu;

/// <summary>Loops over floats, for factorisations and the like: as wide as the processor's vectors, which decides the order of sums.</summary>
public static class Vectors
{
    /// <summary>The sum of the products.</summary>
    /// <param name="a">Values.</param>
    /// <param name="b">As many.</param>
    public static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        ReadOnlySpan<Vector<float>> va = MemoryMarshal.Cast<float, Vector<float>>(a), vb = MemoryMarshal.Cast<float, Vector<float>>(b);
        Vector<float> sums = default;
        for (int i = 0; i < va.Length; i++)
            sums += va[i] * vb[i];
        float sum = Vector.Sum(sums);
        for (int i = va.Length * Vector<float>.Count; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }

    /// <summary>The sum of the squares, in double precision and in order.</summary>
    /// <param name="values">Values.</param>
    public static double Squares(ReadOnlySpan<float> values)
    {
        double sum = 0;
        foreach (float value in values)
            sum += (double)value * value;
        return sum;
    }

    /// <summary>sums += factor * values.</summary>
    /// <param name="values">Values.</param>
    /// <param name="factor">What they are multiplied by.</param>
    /// <param name="sums">As many, changed.</param>
    public static void AddScaled(ReadOnlySpan<float> values, float factor, Span<float> sums)
    {
        ReadOnlySpan<Vector<float>> from = MemoryMarshal.Cast<float, Vector<float>>(values);
        Span<Vector<float>> to = MemoryMarshal.Cast<float, Vector<float>>(sums);
        for (int i = 0; i < to.Length; i++)
            to[i] += factor * from[i];
        for (int i = to.Length * Vector<float>.Count; i < sums.Length; i++)
            sums[i] += factor * values[i];
    }
}
