using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Panels of BF16: [(columns + 1) / 2, 16 rows, 2 columns], so that a vector holds a pair of columns of 16 rows, the even one in
/// the lower halves. An odd last column is paired with zeros. Magnitudes below <see cref="Bfloat16Pairs.Least"/> are zero.
/// </summary>
internal sealed unsafe class PackedBFloat16s : FloatPanels
{
    private const int Block = 16; // columns that are packed at a time: what is written stays in the cache until it is whole
    private readonly NativeBuffer buffer;
    private readonly byte* data;
    private readonly long panelBytes;

    public PackedBFloat16s(WeightData source, WorkerPool pool)
        : base(source)
    {
        panelBytes = (Columns + 1L) / 2 * Bfloat16Pairs.VectorBytes;
        buffer = new NativeBuffer(checked(panelBytes * PanelsPerExpert * Experts));
        data = buffer.Pointer;
        pool.For(PanelsPerExpert * Experts, new PackJob(this, source));
    }

    public override long Bytes => buffer.Length;

    /// <summary>Bytes from a panel to the next.</summary>
    public nint PanelBytes => (nint)panelBytes;

    /// <summary>The packed pairs of a panel from that column on, an even one.</summary>
    public byte* Values(int panel, int column = 0) => data + panel * panelBytes + (long)column / 2 * Bfloat16Pairs.VectorBytes;

    public override void Dispose() => buffer.Dispose();

    /// <summary>Unpacks to floats, in the order of <see cref="Bfloat16Pairs.Unpack"/>.</summary>
    public override float* Unpack(int panel, int column, int columns, float* values)
    {
        Bfloat16Pairs.Unpack((int*)Values(panel, column), columns, values);
        return values;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Pack(WeightData source, int panel)
    {
        (int expert, int first, int count) = Locate(panel);
        int* target = (int*)(data + panel * panelBytes);
        if (count < Height)
            new Span<byte>(target, checked((int)panelBytes)).Clear();
        byte* rows = source.RowPointer(first, expert);
        int* pairs = stackalloc int[Block / 2];
        for (int column = 0; column < Columns; column += Block, target += Block / 2 * Height)
        {
            int here = Math.Min(Block, Columns - column);
            for (int r = 0; r < count; r++)
            {
                ushort* from = (ushort*)(rows + r * source.RowBytes) + column;
                if (here < Block)
                {
                    new Span<int>(pairs, Block / 2).Clear();
                    Buffer.MemoryCopy(from, pairs, Block * sizeof(ushort), here * sizeof(ushort));
                    from = (ushort*)pairs;
                }
                Bfloat16Pairs.WithoutTiny(Vector256.Load(from)).Store((ushort*)pairs);
                for (int i = 0; i < (here + 1) / 2; i++)
                    target[i * Height + r] = pairs[i];
            }
        }
    }

    private readonly struct PackJob(PackedBFloat16s panels, WeightData source) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            for (int panel = start; panel < end; panel++)
                panels.Pack(source, panel);
        }
    }
}
