using System.Runtime.CompilerServices;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>Panels of F32, F16, and BF16 for activations of another type: the same numbers as [columns, 16 rows].</summary>
internal sealed unsafe class PackedFloats : FloatPanels
{
    private readonly TensorType type;
    private readonly int size; // bytes of a number
    private readonly NativeBuffer buffer;
    private readonly byte* data;
    private readonly long panelBytes;

    public PackedFloats(WeightData source, WorkerPool pool)
        : base(source)
    {
        type = source.Format.Type;
        size = source.Format.BlockBytes;
        panelBytes = ((long)Columns * Height * size + 63) & ~63L;
        buffer = new NativeBuffer(checked(panelBytes * PanelsPerExpert * Experts));
        data = buffer.Pointer;
        pool.For(PanelsPerExpert * Experts, new PackJob(this, source));
    }

    public override long Bytes => buffer.Length;

    public TensorType Type => type;

    /// <summary>The packed numbers of a panel from a column on.</summary>
    public byte* Values(int panel, int column) => data + panel * panelBytes + (long)column * Height * size;

    public override void Dispose() => buffer.Dispose();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override float* Unpack(int panel, int column, int columns, float* values)
    {
        byte* packed = Values(panel, column);
        if (type == TensorType.F32)
            return (float*)packed;
        ushort* from = (ushort*)packed;
        for (int i = 0; i < columns; i++, from += Height)
        {
            if (type == TensorType.BF16)
                Bfloat16Pairs.Widen(from, values + i * Height);
            else
                HalfBits.ToSingles(from, values + i * Height);
        }
        return values;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Pack(WeightData source, int panel)
    {
        (int expert, int first, int count) = Locate(panel);
        byte* target = data + panel * panelBytes;
        if (count < Height)
            new Span<byte>(target, checked((int)panelBytes)).Clear();
        byte* rows = source.RowPointer(first, expert);
        // A few columns of all rows at a time, so that what is written stays in the cache until it is whole.
        for (int column = 0; column < Columns; column += Height)
        {
            int end = Math.Min(column + Height, Columns);
            for (int r = 0; r < count; r++)
            {
                byte* row = rows + r * source.RowBytes;
                for (int c = column; c < end; c++)
                {
                    if (size == 4)
                        ((int*)target)[(long)c * Height + r] = ((int*)row)[c];
                    else
                        ((short*)target)[(long)c * Height + r] = ((short*)row)[c];
                }
            }
        }
    }

    private readonly struct PackJob(PackedFloats panels, WeightData source) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int panel = start; panel < end; panel++)
                panels.Pack(source, panel);
        }
    }
}

/// <summary>Panels of a format that has neither integers nor a packed form: the stored blocks, dequantized each time.</summary>
internal sealed unsafe class StoredFloats : FloatPanels
{
    private readonly WeightData data;

    public StoredFloats(WeightData data)
        : base(data) => this.data = data;

    public override long Bytes => data.RowBytes * Rows * Experts;

    public override float* Unpack(int panel, int column, int columns, float* values)
    {
        (int expert, int first, int count) = Locate(panel);
        float* row = stackalloc float[Stretch];
        new Span<float>(values, columns * Height).Clear();
        for (int done = 0; done < columns; done += Stretch)
        {
            int here = Math.Min(columns - done, Stretch);
            int start = (int)data.Format.Bytes(column + done), length = (int)data.Format.Bytes(here);
            for (int r = 0; r < count; r++)
            {
                data.Format.Dequantize(data.Row(first + r, expert).Slice(start, length), new Span<float>(row, here));
                for (int c = 0; c < here; c++)
                    values[(done + c) * Height + r] = row[c];
            }
        }
        return values;
    }
}
