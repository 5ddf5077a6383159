using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>F32 and F16 that lie column by column (<see cref="IColumns"/>), rows in order.</summary>
internal sealed unsafe class ColumnFloats : FloatPanels, IColumns
{
    private readonly int size; // bytes of a number
    private readonly NativeBuffer buffer;
    private readonly long columnBytes;
    private volatile bool isFinite = true;

    public ColumnFloats(WeightData source, WorkerPool pool)
        : base(source)
    {
        Type = source.Format.Type;
        size = source.Format.BlockBytes;
        int blocks = (Rows + IColumns.BlockRows - 1) / IColumns.BlockRows;
        columnBytes = ((long)blocks * BlockBytes) + 64; // as in ColumnIntegers
        buffer = new NativeBuffer(checked(columnBytes * Columns * Experts));
        pool.For(PanelsPerExpert * Experts, new PackJob(this, source));
    }

    public override long Bytes => buffer.Length;

    public TensorType Type { get; }

    public int StepColumns => 128;

    public int BlockBytes => IColumns.BlockRows * size;

    public bool CanSkip => isFinite;

    public static bool Fits(WeightFormat format) => format is F32 or F16;

    public byte* At(int expert, int block, int column) =>
        buffer.Pointer + (((long)expert * Columns) + column) * columnBytes + (long)block * BlockBytes;

    public override void Dispose() => buffer.Dispose();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override float* Unpack(int panel, int column, int columns, float* values)
    {
        (int expert, int row, _) = Locate(panel);
        byte* from = At(expert, 0, column) + (long)row * size;
        for (int i = 0; i < columns; i++, from += columnBytes)
        {
            if (size == sizeof(float))
                Vector512.Load((float*)from).Store(values + i * Height);
            else
                HalfBits.ToSingles((ushort*)from, values + i * Height);
        }
        return values;
    }

    /// <summary>Brings columns of a panel together, as they are stored: [count, 16 rows].</summary>
    /// <param name="expert">The matrix.</param>
    /// <param name="panel">The panel, counted from the first of the matrix.</param>
    /// <param name="columns">Which columns.</param>
    /// <param name="count">How many.</param>
    /// <param name="target">Room for them.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Gather(int expert, int panel, int* columns, int count, byte* target)
    {
        byte* first = At(expert, 0, 0) + (long)panel * Height * size;
        if (size == sizeof(float))
        {
            for (int i = 0; i < count; i++, target += Height * sizeof(float))
                Vector512.Load(first + columns[i] * columnBytes).Store(target);
            return;
        }
        for (int i = 0; i < count; i++, target += Height * sizeof(ushort))
            Vector256.Load(first + columns[i] * columnBytes).Store(target);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Pack(WeightData source, int panel)
    {
        (int expert, int first, int count) = Locate(panel);
        byte* rows = source.Data + ((long)expert * Rows + first) * source.RowBytes;
        bool allFinite = true;
        for (int column = 0; column < Columns; column++)
        {
            byte* target = At(expert, 0, column) + (long)first * size;
            for (int r = 0; r < count; r++)
            {
                byte* from = rows + (r * source.RowBytes) + (column * size);
                if (size == sizeof(float))
                {
                    ((float*)target)[r] = *(float*)from;
                    allFinite &= float.IsFinite(*(float*)from);
                }
                else
                {
                    ((ushort*)target)[r] = *(ushort*)from;
                    allFinite &= (*(ushort*)from & 0x7C00) != 0x7C00;
                }
            }
        }
        if (!allFinite)
            isFinite = false;
    }

    private readonly struct PackJob(ColumnFloats panels, WeightData source) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int panel = start; panel < end; panel++)
                panels.Pack(source, panel);
        }
    }
}
