using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors.KvFormats;

/// <summary>Rows of IEEE half precision, rounded to the nearest; values beyond 65504 become infinite.</summary>
public sealed unsafe class F16Kv : KvFormat
{
    /// <inheritdoc/>
    public override string Name => "f16";

    internal override TensorType Cell => TensorType.F16;

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
                Halves.WriteF16(values + start, halves, count);
                ScatterColumn(halves, count, (ushort*)tile + (start * BlockSize) + slot);
            }
        }
    }

    internal override void WriteValue(ReadOnlySpan<float> row, byte* tile, int slot)
    {
        fixed (float* values = row)
            Halves.WriteF16(values, (ushort*)tile + (slot * row.Length), row.Length);
    }

    internal override float* ReadKeys(byte* tile, int dimension, float* buffer)
    {
        Halves.ReadF16((ushort*)tile, buffer, dimension * BlockSize);
        return buffer;
    }

    internal override float* ReadValues(byte* tile, int dimension, int slots, float* buffer)
    {
        Halves.ReadF16((ushort*)tile, buffer, dimension * slots);
        return buffer;
    }
}
