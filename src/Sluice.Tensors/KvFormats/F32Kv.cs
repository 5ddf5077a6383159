namespace Sluice.Tensors.KvFormats;

/// <summary>Rows of float32: exact, and read in place.</summary>
public sealed unsafe class F32Kv : KvFormat
{
    /// <inheritdoc/>
    public override string Name => "f32";

    /// <inheritdoc/>
    public override int TileBytes(int dimension) => dimension * BlockSize * sizeof(float);

    internal override void WriteKey(ReadOnlySpan<float> row, byte* tile, int slot)
    {
        fixed (float* values = row)
            ScatterColumn(values, row.Length, (float*)tile + slot);
    }

    internal override void WriteValue(ReadOnlySpan<float> row, byte* tile, int slot) =>
        row.CopyTo(new Span<float>((float*)tile + slot * row.Length, row.Length));

    internal override float* ReadKeys(byte* tile, int dimension, float* buffer) => (float*)tile;

    internal override float* ReadValues(byte* tile, int dimension, int slots, float* buffer) => (float*)tile;
}
