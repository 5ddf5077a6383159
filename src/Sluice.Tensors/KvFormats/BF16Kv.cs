using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors.KvFormats;

/// <summary>Rows of bfloat16, the upper half of a float32, rounded to the nearest.</summary>
public sealed unsafe class BF16Kv : KvFormat
{
    /// <inheritdoc/>
    public override string Name => "bf16";

    internal override TensorType Cell => TensorType.BF16;

    /// <inheritdoc/>
    public override int TileBytes(int dimension) => dimension * BlockSize * sizeof(ushort);

    internal override void WriteKey(ReadOnlySpan<float> row, byte* tile, int slot)
    {
        ushort* halves = stackalloc ushort[StackRow];
        fixed (float* values = row)
        {
            for (int start = 0; start < row.Length; start += StackRow)
            {
                int count = Math.Min(StackRow, row.Length - start);
                Halves.WriteBF16(values + start, halves, count);
                ScatterColumn(halves, count, (ushort*)tile + (start * BlockSize) + slot);
            }
        }
    }

    internal override void WriteValue(ReadOnlySpan<float> row, byte* tile, int slot)
    {
        fixed (float* values = row)
            Halves.WriteBF16(values, (ushort*)tile + (slot * row.Length), row.Length);
    }

    internal override float* ReadKeys(byte* tile, int dimension, float* buffer)
    {
        Halves.ReadBF16((ushort*)tile, buffer, dimension * BlockSize);
        return buffer;
    }

    internal override float* ReadValues(byte* tile, int dimension, int slots, float* buffer)
    {
        Halves.ReadBF16((ushort*)tile, buffer, dimension * slots);
        return buffer;
    }
}
