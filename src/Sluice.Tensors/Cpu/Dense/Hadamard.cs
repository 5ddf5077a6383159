using System.Numerics;
using System.Runtime.InteropServices;

namespace Sluice.Tensors.Cpu;

/// <summary>The Walsh-Hadamard transform: orthogonal but for its length, and additions alone.</summary>
public static class Hadamard
{
    /// <summary>The largest block that a width is a multiple of: a power of two.</summary>
    public static int BlockOf(int width) => width & -width;

    /// <summary>Transforms each block in place; twice is the block times its size.</summary>
    /// <param name="values">Whole blocks.</param>
    /// <param name="block">Values of a block, a power of two.</param>
    public static void Transform(Span<float> values, int block)
    {
        for (int distance = 1; distance < block; distance *= 2)
        {
            for (int start = 0; start < values.Length; start += 2 * distance)
                Butterfly(values.Slice(start, distance), values.Slice(start + distance, distance));
        }
    }

    /// <summary>Sums in place of the first, differences in place of the second.</summary>
    private static void Butterfly(Span<float> first, Span<float> second)
    {
        Span<Vector<float>> wideFirst = MemoryMarshal.Cast<float, Vector<float>>(first), wideSecond = MemoryMarshal.Cast<float, Vector<float>>(second);
        for (int i = 0; i < wideFirst.Length; i++)
            (wideFirst[i], wideSecond[i]) = (wideFirst[i] + wideSecond[i], wideFirst[i] - wideSecond[i]);
        for (int i = wideFirst.Length * Vector<float>.Count; i < first.Length; i++)
            (first[i], second[i]) = (first[i] + second[i], first[i] - second[i]);
    }
}
