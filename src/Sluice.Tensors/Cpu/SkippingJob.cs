using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Sluice.Tensors.Memory;

namespace Sluice.Tensors.Cpu;

/// <summary>Arranges inputs, a tile for each token, and finds which are not zero.</summary>
internal readonly struct ActiveJob(Activations activations, ActiveColumns active, CpuWeight weight) : IParallelJob
{
    public void Run(int start, int end, int worker)
    {
        for (int position = start; position < end; position++)
        {
            activations.Arrange(position, weight.Kinds);
            active.Find(activations, position, weight.Kinds);
        }
    }
}

/// <summary>
/// Multiplies few tokens by weights that lie in columns (<see cref="IColumns"/>), reading only columns that do not meet zeros: it brings these
/// together in the first-level cache, in the form of a panel with fewer columns, and leaves that to the usual kernels. Integers keep their
/// groups of columns, whose sums are exact, and floats their order, so what comes out is the same to the bit as with all columns.
/// </summary>
/// <remarks>
/// An item is a piece of the rows of a part of the weight, times a segment of the inputs. The columns of the next step are asked for
/// while one is computed: the processor's own guesses of what comes next are wrong here.
/// </remarks>
internal readonly unsafe struct SkippingJob(
    Kernels kernels, CpuWeight weight, Activations activations, ActiveColumns active, Segment* segments, int* outputRows, Tensor output,
    Tensor bias, float* sums, WorkerScratch[] scratch, int pieces) : IParallelJob
{
    /// <summary>Bytes of a column that are read in one go, at most: what two steps take must leave room in the second-level cache.</summary>
    public const int PieceBytes = 2048;

    /// <summary>Items of a segment.</summary>
    public int Items => weight.Parts.Length * pieces;

    /// <summary>Into how many pieces parts are cut: one a thread at least.</summary>
    public static int PiecesOf(CpuWeight weight, int threads)
    {
        int pieces = threads;
        foreach (CpuWeight.Part part in weight.Parts)
            pieces = Math.Max(pieces, (BlocksOf(part) * ((IColumns)part.Panels).BlockBytes + PieceBytes - 1) / PieceBytes);
        return pieces;
    }

    public void Run(int start, int end, int worker)
    {
        for (int item = start; item < end; item++)
        {
            (int segment, int within) = Math.DivRem(item, Items);
            (int part, int piece) = Math.DivRem(within, pieces);
            Multiply(segments[segment], weight.Parts[part], piece, scratch[worker]);
        }
    }

    private static int BlocksOf(CpuWeight.Part part) => (part.Panels.Rows + IColumns.BlockRows - 1) / IColumns.BlockRows;

    private float* SumsOf(CpuWeight.Part part, int position, int panel) =>
        sums + ((long)position * weight.PanelsPerExpert + part.Panel + panel) * Panels.Height;

    private void Multiply(Segment segment, CpuWeight.Part part, int piece, WorkerScratch room)
    {
        int blocks = BlocksOf(part), firstBlock = (int)((long)blocks * piece / pieces), endBlock = (int)((long)blocks * (piece + 1) / pieces);
        int firstPanel = firstBlock * IColumns.BlockPanels, endPanel = Math.Min(endBlock * IColumns.BlockPanels, part.Panels.PanelsPerExpert);
        if (firstBlock == endBlock)
            return;
        IColumns columns = (IColumns)part.Panels;
        int step = columns.StepColumns, first = activations.Tiles[segment.FirstTile], last = activations.Tiles[segment.FirstTile + segment.TileCount];
        for (int position = first; position < last; position++)
            new Span<float>(SumsOf(part, position, firstPanel), (endPanel - firstPanel) * Panels.Height).Clear();
        int* wanted = stackalloc int[Panels.Stretch];
        int count = Wanted(part, first, last, 0, step, wanted);
        Ahead ahead = new(columns, segment.Expert, firstBlock, endBlock);
        ahead.Ask(wanted, count);
        for (int column = 0; column < active.Columns; column += step)
        {
            count = Wanted(part, first, last, column + step, step, wanted);
            for (int block = firstBlock, asked = 0; block < endBlock; block++)
            {
                // A share of the next step's columns for each block.
                int until = (int)((long)count * (block + 1 - firstBlock) / (endBlock - firstBlock));
                ahead.Ask(wanted + asked, until - asked);
                asked = until;
                for (int position = first; position < last; position++)
                {
                    if (part.Panels is ColumnIntegers integers)
                        MultiplyIntegers(integers, part, segment.Expert, block, column, position, room);
                    else
                        MultiplyFloats((ColumnFloats)part.Panels, part, segment.Expert, block, column, position, room);
                }
            }
        }
        for (int position = first; position < last; position++)
            Write(segment, part, position, firstPanel, endPanel);
    }

    private void MultiplyIntegers(ColumnIntegers panels, CpuWeight.Part part, int expert, int block, int column, int position, WorkerScratch room)
    {
        IntegerKind kind = panels.Kind;
        int groups = Math.Min(panels.StepColumns, active.Columns - column) / IntegerPanels.Group, group = column / IntegerPanels.Group;
        byte* codes = (byte*)room.Values;
        panels.Gather(
            expert, block, column, active.PlacesOf(part.Kind, position) + column,
            active.CountsOf(part.Kind, kind, position) + group * kind.Parts, groups, codes);
        sbyte* quants = active.QuantsOf(part.Kind, position) + column;
        float* notes = activations.NotesAt(part.Kind, kind.NotesPerGroup, position, 1, column);
        int firstPanel = block * IColumns.BlockPanels, count = Math.Min(IColumns.BlockPanels, panels.PanelsPerExpert - firstPanel);
        for (int i = 0; i < count; i++, codes += ColumnIntegers.GatheredBytes)
        {
            panels.UnpackScales(expert * panels.PanelsPerExpert + firstPanel + i, column, groups, room.Scales);
            kernels.Integers(kind, 1, codes, room.Scales, quants, notes, SumsOf(part, position, firstPanel + i), groups);
        }
    }

    private void MultiplyFloats(ColumnFloats panels, CpuWeight.Part part, int expert, int block, int column, int position, WorkerScratch room)
    {
        int* counts = active.FloatCountsOf(position) + column / IntegerPanels.Group;
        int before = counts[0], count = counts[Math.Min(panels.StepColumns / IntegerPanels.Group, active.Groups - column / IntegerPanels.Group)] - before;
        if (count == 0)
            return;
        long at = (long)position * active.Columns + before;
        int firstPanel = block * IColumns.BlockPanels, endPanel = Math.Min(firstPanel + IColumns.BlockPanels, panels.PanelsPerExpert);
        for (int panel = firstPanel; panel < endPanel; panel++)
        {
            panels.Gather(expert, panel, active.FloatColumns + at, count, room.Codes);
            if (kernels.PackedFloats(panels.Type, 1, room.Codes, active.Floats + at, SumsOf(part, position, panel), count))
                continue;
            float* values = (float*)room.Codes;
            for (int i = 0; i < count && panels.Type == Formats.TensorType.F16; i++)
                HalfBits.ToSingles((ushort*)room.Codes + i * Panels.Height, (values = room.Values) + i * Panels.Height);
            kernels.Floats(1, values, active.Floats + at, SumsOf(part, position, panel), count);
        }
    }

    /// <summary>The columns of a step, counted from the first of all, that some of the tokens do not have zeros for.</summary>
    private int Wanted(CpuWeight.Part part, int first, int last, int column, int step, int* wanted)
    {
        int end = Math.Min(column + step, active.Columns), count = 0;
        bool* seen = stackalloc bool[Panels.Stretch];
        new Span<bool>(seen, Panels.Stretch).Clear();
        for (int position = first; position < last && column < end; position++)
        {
            if (part.Kind < 0)
            {
                int* counts = active.FloatCountsOf(position);
                int until = counts[(end + IntegerPanels.Group - 1) / IntegerPanels.Group];
                int* columns = active.FloatColumns + (long)position * active.Columns;
                for (int i = counts[column / IntegerPanels.Group]; i < until; i++)
                    Add(columns[i]);
                continue;
            }
            IntegerKind kind = weight.Kinds[part.Kind];
            int size = IntegerPanels.Group / kind.Parts;
            byte* quads = active.CountsOf(part.Kind, kind, position), places = active.PlacesOf(part.Kind, position);
            for (int at = column; at < end; at += size)
            {
                for (int i = 0; i < 4 * quads[at / size]; i++)
                    Add(column + places[at + i]);
            }
        }
        return count;

        void Add(int found)
        {
            if (seen[found - column])
                return;
            seen[found - column] = true;
            wanted[count++] = found;
        }
    }

    private void Write(Segment segment, CpuWeight.Part part, int position, int firstPanel, int endPanel)
    {
        int row = firstPanel * Panels.Height, rows = Math.Min(endPanel * Panels.Height, part.Panels.Rows) - row;
        float* from = SumsOf(part, position, firstPanel), target = output.Data + (long)outputRows[position] * output.Stride + part.Row + row;
        if (bias.IsEmpty)
        {
            new Span<float>(from, rows).CopyTo(new Span<float>(target, rows));
            return;
        }
        float* added = bias.Data + (long)segment.Expert * bias.Stride + part.Row + row;
        for (int r = 0; r < rows; r++)
            target[r] = from[r] + added[r];
    }

    /// <summary>Asks for columns of some blocks to be brought to the second-level cache.</summary>
    private readonly struct Ahead(IColumns columns, int expert, int firstBlock, int endBlock)
    {
        private readonly byte* first = columns.At(expert, firstBlock, 0);
        private readonly nint columnBytes = (nint)(columns.At(expert, firstBlock, 1) - columns.At(expert, firstBlock, 0));
        private readonly int bytes = (endBlock - firstBlock) * columns.BlockBytes;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Ask(int* wanted, int count)
        {
            if (!Sse.IsSupported)
                return;
            for (int i = 0; i < count; i++)
            {
                byte* from = first + wanted[i] * columnBytes;
                for (byte* end = from + bytes; from < end; from += NativeBuffer.Alignment)
                    Sse.Prefetch1(from);
            }
        }
    }
}
