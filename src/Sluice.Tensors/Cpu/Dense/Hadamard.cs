using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Cpu;

/// <summary>The Walsh-Hadamard transform: orthogonal but for its length, and additions alone. The same bits with vectors of any length.</summary>
public static class Hadamard
{
    /// <summary>The largest block that a width is a multiple of: a power of two.</summary>
    public static int BlockOf(int width) => width & -width;

    /// <summary>
    /// Rotates a row in place, as QuaRot does (Ashkboos et al. 2024): fixed signs, then the transform of blocks as large as a power of two
    /// divides the row. Lengths and products of rows stay what they are; an outlier is spread over its block.
    /// </summary>
    public static void Rotate(Span<float> row)
    {
        Scale(row);
        Transform(row, BlockOf(row.Length));
    }

    /// <summary>Undoes <see cref="Rotate"/>.</summary>
    public static void RotateBack(Span<float> row)
    {
        Transform(row, BlockOf(row.Length));
        Scale(row);
    }

    /// <summary>Transforms each block in place; twice is the block times its size.</summary>
    /// <param name="values">Whole blocks.</param>
    /// <param name="block">Values of a block, a power of two.</param>
    public static void Transform(Span<float> values, int block)
    {
        int distance = 1;
        if (block >= 8)
        {
            TransformEights(values);
            distance = 8;
        }
        for (; distance < block; distance *= 2)
        {
            for (int start = 0; start < values.Length; start += 2 * distance)
                Butterfly(values.Slice(start, distance), values.Slice(start + distance, distance));
        }
    }

    /// <summary>Distances of 1, 2 and 4, in registers.</summary>
    private static void TransformEights(Span<float> values)
    {
        Span<Vector128<float>> fours = MemoryMarshal.Cast<float, Vector128<float>>(values);
        for (int i = 0; i < fours.Length; i += 2)
        {
            Vector128<float> low = TransformFour(fours[i]), high = TransformFour(fours[i + 1]);
            (fours[i], fours[i + 1]) = (low + high, low - high);
        }

        // The first of a pair plus the second; the second negated, plus the first.
        static Vector128<float> TransformFour(Vector128<float> x)
        {
            x = Vector128.Shuffle(x, Vector128.Create(1, 0, 3, 2)) + (x ^ Vector128.Create(0f, -0f, 0f, -0f));
            return Vector128.Shuffle(x, Vector128.Create(2, 3, 0, 1)) + (x ^ Vector128.Create(0f, 0f, -0f, -0f));
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

    // Signs by a multiplicative hash, whose highest bit they are: a constant row would otherwise become one outlier.
    private static void Scale(Span<float> row)
    {
        const uint Hash = 0x9E3779B1, Sign = 0x8000_0000;
        float factor = 1 / MathF.Sqrt(BlockOf(row.Length));
        Span<Vector<float>> wide = MemoryMarshal.Cast<float, Vector<float>>(row);
        Vector<uint> index = Vector<uint>.Indices;
        for (int i = 0; i < wide.Length; i++, index += new Vector<uint>((uint)Vector<uint>.Count))
            wide[i] = Vector.AsVectorSingle(Vector.AsVectorUInt32(wide[i] * factor) ^ ((index * Hash) & new Vector<uint>(Sign)));
        for (int i = wide.Length * Vector<float>.Count; i < row.Length; i++)
            row[i] *= ((uint)i * Hash & Sign) != 0 ? -factor : factor;
    }
}
