using Sluice.Tensors.Cpu;

namespace Sluice.Tensors.KvFormats;

/// <summary>
/// Rows that are rotated (<see cref="Hadamard.Rotate"/>) before another format packs them, as QuaRot does (Ashkboos et al. 2024). An outlier, which would coarsen the steps of all values that share
/// its scale, is spread over its block. Queries are rotated alike, so that scores stay what they are, and sums of values are rotated back.
/// </summary>
/// <param name="packed">How rotated rows are packed.</param>
public sealed unsafe class RotatedKv(KvFormat packed) : KvFormat
{
    /// <inheritdoc/>
    public override string Name => packed.Name + "-rotated";

    /// <inheritdoc/>
    public override int TileBytes(int dimension) => packed.TileBytes(dimension);

    internal override void Rotate(Span<float> row) => Hadamard.Rotate(row);

    internal override void RotateBack(Span<float> row) => Hadamard.RotateBack(row);

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
        Hadamard.Rotate(room);
        return room;
    }
}
