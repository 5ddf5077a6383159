using Sluice.Tensors.Cpu;

namespace Sluice.Tensors.KvFormats;

/// <summary>
/// Rows that are rotated before another format packs them, as QuaRot does (Ashkboos et al. 2024): signs, then the Walsh-Hadamard
/// transform of blocks as large as a power of two divides the row. An outlier, which would coarsen the steps of all values that share
/// its scale, is spread over its block. Queries are rotated alike, so that scores stay what they are, and sums of values are rotated back.
/// </summary>
/// <param name="packed">How rotated rows are packed.</param>
public sealed unsafe class RotatedKv(KvFormat packed) : KvFormat
{
    /// <inheritdoc/>
    public override string Name => packed.Name + "-rotated";

    /// <inheritdoc/>
    public override int TileBytes(int dimension) => packed.TileBytes(dimension);

    internal override void Rotate(Span<float> row)
    {
        Scale(row);
        Hadamard.Transform(row, Hadamard.BlockOf(row.Length));
    }

    internal override void RotateBack(Span<float> row)
    {
        Hadamard.Transform(row, Hadamard.BlockOf(row.Length));
        Scale(row);
    }

    internal override void WriteKey(ReadOnlySpan<float> row, byte* tile, int slot) =>
        packed.WriteKey(Rotated(row, stackalloc float[row.Length]), tile, slot);

    internal override void WriteValue(ReadOnlySpan<float> row, byte* tile, int slot) =>
        packed.WriteValue(Rotated(row, stackalloc float[row.Length]), tile, slot);

    internal override float* ReadKeys(byte* tile, int dimension, float* buffer) => packed.ReadKeys(tile, dimension, buffer);

    internal override float* ReadValues(byte* tile, int dimension, int slots, float* buffer) =>
        packed.ReadValues(tile, dimension, slots, buffer);

    private Span<float> Rotated(ReadOnlySpan<float> row, Span<float> room)
    {
        row.CopyTo(room);
        Rotate(room);
        return room;
    }

    // Signs by a multiplicative hash: a constant row would otherwise become one outlier.
    private static void Scale(Span<float> row)
    {
        float factor = 1 / MathF.Sqrt(Hadamard.BlockOf(row.Length));
        for (int i = 0; i < row.Length; i++)
            row[i] *= (uint)i * 0x9E3779B1u > int.MaxValue ? -factor : factor;
    }
}
