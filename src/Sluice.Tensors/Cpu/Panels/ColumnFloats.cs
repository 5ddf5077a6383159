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
    private readonly int slabs;
    private readonly long slabBytes;
    private volatile bool isFinite = true;

    public ColumnFloats(WeightData source, WorkerPool pool)
        : base(source)
    {
        Type = source.Format.Type;
        size = source.Format.BlockBytes;
        SlabBlocks = IColumns.ChooseSlab(Rows, BlockBytes, pool.Threads);
        slabs = (IColumns.Blocks(Rows) + SlabBlocks - 1) / SlabBlocks;
        ColumnBytes = SlabBlocks * BlockBytes + 64; // as in ColumnIntegers
        slabBytes = (long)ColumnBytes * Columns;
        buffer = new NativeBuffer(checked(slabBytes * slabs * Experts));
        pool.For(PanelsPerExpert * Experts, new PackJob(this, source));
    }

    public override long Bytes => buffer.Length;

    public TensorType Type { get; }

    public int StepColumns => 32;

    public int BlockBytes => IColumns.BlockRows * size;

    public bool CanSkip => isFinite;

    public static bool Fits(WeightFormat format) => format is F32 or F16;

    public int SlabBlocks { get; }

    public nint ColumnBytes { get; }

    public byte* At(int expert, int block, int column)
    {
        (int slab, int within) = Math.DivRem(block, SlabBlocks);
        return buffer.Pointer + ((long)expert * slabs + slab) * slabBytes + column * ColumnBytes + within * BlockBytes;
    }

    public void Prefetch(int panel, int panels, int column, int columns)
    {
        if (panel >= PanelsPerExpert * Experts)
            return;
        (int expert, int row, _) = Locate(panel);
        byte* from = At(expert, row / IColumns.BlockRows, column) + row % IColumns.BlockRows * size;
        IColumns.Prefetch(from, panels * Height * size, ColumnBytes, columns);
    }

    public override void Dispose() => buffer.Dispose();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override float* Unpack(int panel, int column, int columns, float* values)
    {
        (int expert, int row, _) = Locate(panel);
        byte* from = At(expert, row / IColumns.BlockRows, column) + row % IColumns.BlockRows * size;
        for (int i = 0; i < columns; i++, from += ColumnBytes)
            Load(from, values + i * Height);
        return values;
    }

    /// <summary>Brings columns of a panel together, unpacked: [count, 16 rows].</summary>
    /// <param name="expert">The matrix.</param>
    /// <param name="panel">The panel, counted from the first of the matrix; also one of the last block that there is not.</param>
    /// <param name="columns">Which columns.</param>
    /// <param name="count">How many.</param>
    /// <param name="target">Room for them.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Gather(int expert, int panel, int* columns, int count, float* target)
    {
        byte* first = At(expert, panel / IColumns.BlockPanels, 0) + panel % IColumns.BlockPanels * Height * size;
        for (int i = 0; i < count; i++, target += Height)
            Load(first + columns[i] * ColumnBytes, target);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Load(byte* from, float* to)
    {
        if (size == sizeof(float))
            Vector512.Load((float*)from).Store(to);
        else
            HalfBits.ToSingles((ushort*)from, to);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Pack(WeightData source, int panel)
    {
        (int expert, int first, int count) = Locate(panel);
        byte* rows = source.RowPointer(first, expert);
        bool allFinite = true;
        for (int column = 0; column < Columns; column++)
        {
            byte* target = At(expert, first / IColumns.BlockRows, column) + first % IColumns.BlockRows * size;
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
