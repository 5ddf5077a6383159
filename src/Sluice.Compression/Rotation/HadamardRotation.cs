using Sluice.Tensors.Cpu;

namespace Sluice.Compression;

/// <summary>
/// A random orthogonal map: signs, then the Walsh-Hadamard transform of each block as large as a power of two divides the width. It spreads
/// an outlier over the block's values, at the cost of additions alone.
/// </summary>
internal sealed class HadamardRotation
{
    private readonly float[] _signs; // with the transform's factor 1 / sqrt(block)
    private readonly int _block;

    /// <summary>Of vectors of a width, the same for the same seed.</summary>
    public HadamardRotation(int width, int seed)
    {
        Random random = new(seed);
        (Width, _block) = (width, Hadamard.BlockOf(width));
        float factor = 1 / MathF.Sqrt(_block);
        _signs = [.. Enumerable.Range(0, width).Select(_ => random.Next(2) == 0 ? factor : -factor)];
    }

    /// <summary>Values of a vector.</summary>
    public int Width { get; }

    /// <summary>Rotates vectors that lie side by side.</summary>
    public void Rotate(Span<float> vectors)
    {
        for (int i = 0; i < vectors.Length; i++)
            vectors[i] *= _signs[i % Width];
        Hadamard.Transform(vectors, _block);
    }

    /// <summary>Rotates the columns of neighbouring rows: what a map with these rows writes.</summary>
    public void RotateRows(Span<float> rows, int columns)
    {
        int count = rows.Length / columns;
        for (int row = 0; row < count; row++)
        {
            foreach (ref float value in rows.Slice(row * columns, columns))
                value *= _signs[row % Width];
        }
        for (int distance = 1; distance < _block; distance *= 2)
        {
            for (int row = 0; row < count; row++)
            {
                if ((row & distance) != 0)
                    continue;
                Span<float> upper = rows.Slice(row * columns, columns), lower = rows.Slice((row + distance) * columns, columns);
                for (int i = 0; i < columns; i++)
                    (upper[i], lower[i]) = (upper[i] + lower[i], upper[i] - lower[i]);
            }
        }
    }
}
