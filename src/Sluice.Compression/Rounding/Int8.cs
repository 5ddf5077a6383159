using System.Numerics;
using System.Runtime.InteropServices;

namespace Sluice.Compression;

/// <summary>Symmetric rounding to int8, as activations and weights of W8A8 maps are: the largest magnitude becomes 127.</summary>
internal static class Int8
{
    /// <summary>Rounds values in place.</summary>
    /// <param name="values">Values that share a scale.</param>
    /// <param name="largest">The magnitude that becomes 127; theirs if not given.</param>
    public static void Round(Span<float> values, float largest = float.NaN)
    {
        if (float.IsNaN(largest))
            largest = Largest(values);
        float scale = largest / 127, inverse = scale == 0 ? 0 : 1 / scale;
        Span<Vector<float>> vectors = MemoryMarshal.Cast<float, Vector<float>>(values);
        Vector<float> least = new(-127), most = new(127);
        foreach (ref Vector<float> v in vectors)
            v = Vector.Min(most, Vector.Max(least, Vector.Round(v * inverse))) * scale;
        for (int i = vectors.Length * Vector<float>.Count; i < values.Length; i++)
            values[i] = Math.Clamp(MathF.Round(values[i] * inverse), -127, 127) * scale;
    }

    /// <summary>The largest magnitude.</summary>
    public static float Largest(ReadOnlySpan<float> values)
    {
        float largest = 0;
        foreach (float value in values)
            largest = MathF.Max(largest, MathF.Abs(value));
        return largest;
    }
}
