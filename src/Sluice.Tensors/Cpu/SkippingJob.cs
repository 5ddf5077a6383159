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
/// Multiplies few tokens by weights that lie in columns (<see cref="IColumns"/>), reading only columns that do not meet zeros: by a kernel of
/// their own or, where there is none, by bringing them together in the first-level cache, in the form of a panel with fewer columns, for the
/// usual ones. Integers keep their groups of columns, whose sums are exact, and floats their order, so what comes out is the same to the bit
/// as with all columns.
/// </summary>
/// <remarks>
/// An item is a slab of a part of the weight, times a segment of the inputs. The columns of the next step are asked for
/// while one is computed: the processor's own guesses of what comes next are wrong here.
/// </remarks>
internal readonly unsafe struct SkippingJob(
    Kernels kernels, CpuWeight weight, Activations activations, ActiveColumns active, Segment* segments, int* outputRows, Tensor output,
    Tensor bias, float* sums, WorkerScratch[] scratch) : IParallelJob
{
    /// <summary>Items of a segment: the slabs of all parts.</summary>
    public int Items
    {
        get
        {
            int items = 0;
            foreach (CpuWeight.Part part in weight.Parts)
                items += SlabsOf(part);
            return items;
        }
    }

    public void Run(int start, int end, int worker)
    {
        for (int item = start; item < end; item++)
        {
            (int segment, int slab) = Math.DivRem(item, Items);
            int part = 0;
            for (; slab >= SlabsOf(weight.Parts[part]); part++)
                slab -= SlabsOf(weight.Parts[part]);
            Multiply(segments[segment], part, slab, scratch[worker]);
        }
    }

    /// <summary>Blocks of a weight: each part has whole ones.</summary>
    public static int BlocksOf(CpuWeight weight)
    {
        int blocks = 0;
        foreach (CpuWeight.Part part in weight.Parts)
            blocks += BlocksOf(part);
        return blocks;
    }

    private static int BlocksOf(CpuWeight.Part part) => IColumns.Blocks(part.Panels.Rows);

    private static int SlabsOf(CpuWeight.Part part)
    {
        int blocks = ((IColumns)part.Panels).SlabBlocks;
        return (BlocksOf(part) + blocks - 1) / blocks;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Multiply(Segment segment, int index, int slab, WorkerScratch room)
    {
        CpuWeight.Part part = weight.Parts[index];
        IColumns columns = (IColumns)part.Panels;
        int firstBlock = slab * columns.SlabBlocks, endBlock = Math.Min(firstBlock + columns.SlabBlocks, BlocksOf(part));
        int before = 0;
        for (int i = 0; i < index; i++)
            before += BlocksOf(weight.Parts[i]);
        float* partSums = sums + (long)before * IColumns.BlockRows;
        long stride = (long)BlocksOf(weight) * IColumns.BlockRows; // from a position's sums to the next one's
        int step = columns.StepColumns, first = activations.Tiles[segment.FirstTile], last = activations.Tiles[segment.FirstTile + segment.TileCount];
        for (int position = first; position < last; position++)
        {
            new Span<float>(partSums + position * stride + firstBlock * IColumns.BlockRows, (endBlock - firstBlock) * IColumns.BlockRows).Clear();
        }
        Ahead ahead = new(active, weight, part, segment.Expert, firstBlock, endBlock, (int*)room.SumsOf(0, 0));
        ahead.Fetch(first, 0, step);
        for (int column = 0; column < active.Columns; column += step)
        {
            for (int position = first; position < last; position++)
                ahead.Find(position, position - first, column, step, TurnsOf(part, position, column, step));
            // Several positions meet a block while it is in the first-level cache.
            int blocks = last - first == 1 ? endBlock - firstBlock : 1;
            for (int block = firstBlock; block < endBlock; block += blocks)
            {
                Blocks at = new(segment.Expert, block, blocks, column, first, last, partSums + (long)block * IColumns.BlockRows, stride);
                if (part.Panels is ColumnIntegers integers)
                    MultiplyIntegers(integers, part.Kind, at, ahead, room);
                else
                    MultiplyFloats((ColumnFloats)part.Panels, at, ahead, room);
            }
        }
        int row = firstBlock * IColumns.BlockRows, rows = Math.Min(endBlock * IColumns.BlockRows, part.Panels.Rows) - row;
        for (int position = first; position < last; position++)
            Write(segment.Expert, position, partSums + position * stride + row, part.Row + row, rows);
    }

    /// <summary>Turns of a kernel's loop in a step of a block: columns, of integers four at a time.</summary>
    private int TurnsOf(CpuWeight.Part part, int position, int column, int step)
    {
        int end = Math.Min(column + step, active.Columns), group = column / IntegerPanels.Group, turns = 0;
        if (part.Kind < 0)
            return active.FloatCountsOf(position)[(end + IntegerPanels.Group - 1) / IntegerPanels.Group] - active.FloatCountsOf(position)[group];
        IntegerKind kind = weight.Kinds[part.Kind];
        foreach (byte count in new ReadOnlySpan<byte>(active.CountsOf(part.Kind, kind, position) + group * kind.Parts, (end - column) / IntegerPanels.Group * kind.Parts))
            turns += count;
        return turns;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyIntegers(ColumnIntegers panels, int kindIndex, in Blocks at, in Ahead ahead, WorkerScratch room)
    {
        IntegerKind kind = panels.Kind;
        int groups = Math.Min(panels.StepColumns, active.Columns - at.Column) / IntegerPanels.Group, group = at.Column / IntegerPanels.Group;
        int firstPanel = at.Expert * panels.PanelsPerExpert + at.First * IColumns.BlockPanels, next = at.Column + panels.StepColumns;
        for (int position = at.FirstPosition; position < at.LastPosition; position++)
        {
            ColumnArguments arguments = new()
            {
                First = panels.At(at.Expert, at.First, at.Column),
                ColumnBytes = panels.ColumnBytes,
                Blocks = at.Count,
                Places = active.PlacesOf(kindIndex, position) + at.Column,
                Counts = active.CountsOf(kindIndex, kind, position) + group * kind.Parts,
                Quants = active.QuantsOf(kindIndex, position) + at.Column,
                Notes = activations.NotesAt(kindIndex, kind.NotesPerGroup, position, 1, at.Column),
                Scales = panels.Scales(firstPanel, at.Column),
                PanelScales = panels.PanelScales(at.Column),
                Sums = at.Sums + position * at.Stride,
                Groups = groups,
                AheadScales = panels.Scales(firstPanel, next < active.Columns ? next : at.Column),
            };
            ahead.Tell(position - at.FirstPosition, at.First, ref arguments);
            if (!kernels.ColumnIntegers(panels, arguments))
                GatherIntegers(panels, firstPanel, at, arguments, room);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void GatherIntegers(ColumnIntegers panels, int panel, in Blocks at, in ColumnArguments arguments, WorkerScratch room)
    {
        int end = (at.Expert + 1) * panels.PanelsPerExpert, groups = (int)arguments.Groups;
        float* sums = arguments.Sums;
        float* scales = (float*)((byte*)room.Values + IColumns.BlockPanels * ColumnIntegers.GatheredBytes);
        for (int block = at.First; block < at.First + at.Count; block++)
        {
            byte* codes = (byte*)room.Values;
            panels.Gather(at.Expert, block, at.Column, arguments.Places, arguments.Counts, groups, codes);
            for (int i = 0; i < IColumns.BlockPanels && panel < end; i++, panel++, codes += ColumnIntegers.GatheredBytes, sums += Panels.Height)
            {
                panels.UnpackScales(panel, at.Column, groups, scales);
                kernels.Integers(panels.Kind, 1, codes, scales, arguments.Quants, arguments.Notes, sums, groups);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void MultiplyFloats(ColumnFloats panels, in Blocks at, in Ahead ahead, WorkerScratch room)
    {
        int group = at.Column / IntegerPanels.Group, endGroup = Math.Min(group + panels.StepColumns / IntegerPanels.Group, active.Groups);
        for (int position = at.FirstPosition; position < at.LastPosition; position++)
        {
            int* counts = active.FloatCountsOf(position);
            int before = counts[group], count = counts[endGroup] - before;
            if (count == 0)
                continue;
            int* columns = active.FloatColumns + (long)position * active.Columns + before;
            float* values = active.Floats + (long)position * active.Columns + before, to = at.Sums + position * at.Stride;
            ColumnArguments arguments = new()
            {
                First = panels.At(at.Expert, at.First, 0),
                ColumnBytes = panels.ColumnBytes,
                Blocks = at.Count,
                Sums = to,
            };
            ahead.Tell(position - at.FirstPosition, at.First, ref arguments);
            if (kernels.ColumnFloats(panels.Type, columns, values, count, arguments))
                continue;
            for (int i = 0; i < at.Count * IColumns.BlockPanels; i++, to += Panels.Height)
            {
                panels.Gather(at.Expert, at.First * IColumns.BlockPanels + i, columns, count, room.Values);
                kernels.Floats(1, room.Values, values, to, count);
            }
        }
    }

    private void Write(int expert, int position, float* from, int row, int rows)
    {
        float* target = output.Data + (long)outputRows[position] * output.Stride + row;
        if (bias.IsEmpty)
        {
            new Span<float>(from, rows).CopyTo(new Span<float>(target, rows));
            return;
        }
        float* added = bias.Data + (long)expert * bias.Stride + row;
        for (int r = 0; r < rows; r++)
            target[r] = from[r] + added[r];
    }

    /// <summary>A step of columns of some blocks, times some positions, whose sums are so far apart.</summary>
    private readonly record struct Blocks(int Expert, int First, int Count, int Column, int FirstPosition, int LastPosition, nint SumsAt, long Stride)
    {
        public Blocks(int expert, int first, int count, int column, int firstPosition, int lastPosition, float* sums, long stride)
            : this(expert, first, count, column, firstPosition, lastPosition, (nint)sums, stride)
        {
        }

        public float* Sums => (float*)SumsAt;
    }

    /// <summary>
    /// The columns of a slab that are wanted in the next step, some of which a kernel asks for in each turn of its loop: what comes from memory is so
    /// asked for at the pace, and in the order, in which it is used.
    /// </summary>
    private readonly struct Ahead(ActiveColumns active, CpuWeight weight, CpuWeight.Part part, int expert, int firstBlock, int endBlock, int* room)
    {
        private const int MostPositions = 16; // of one expert there can be more, which share these: they are hints and no more

        private readonly IColumns columns = (IColumns)part.Panels;

        // Of each position; behind the columns.
        private int* Counts => room + MostPositions * Panels.Stretch;

        /// <summary>Brings a step to the cache at once.</summary>
        public void Fetch(int position, int column, int step)
        {
            int* wanted = stackalloc int[Panels.Stretch];
            int count = Wanted(position, column, step, wanted);
            for (int block = firstBlock; block < endBlock && Sse.IsSupported; block++)
            {
                byte* first = columns.At(expert, block, 0);
                for (int i = 0; i < count; i++)
                {
                    for (int at = 0; at < columns.BlockBytes; at += NativeBuffer.Alignment)
                        Sse.Prefetch1(first + wanted[i] + at);
                }
            }
        }

        /// <summary>Finds what is wanted after a step, which takes so many turns.</summary>
        public void Find(int position, int index, int column, int step, int turns)
        {
            index %= MostPositions;
            int* to = room + index * Panels.Stretch;
            int width = part.Kind < 0 ? 1 : 4, count = Wanted(position, column + step, step, to), all = Math.Max(turns, (count + width - 1) / width);
            // Where there are more turns than columns, the last is asked for again, which costs little.
            new Span<int>(to + count, all * width - count).Fill(count > 0 ? to[count - 1] : 0);
            Counts[index] = all - turns;
        }

        /// <summary>Has a kernel ask for them.</summary>
        public void Tell(int index, int block, ref ColumnArguments arguments)
        {
            index %= MostPositions;
            arguments.AheadFirst = columns.At(expert, block, 0);
            arguments.Ahead = room + index * Panels.Stretch;
            arguments.AheadLeft = Counts[index];
        }

        // Where the active columns of a step are, in bytes from the first of all.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private int Wanted(int position, int column, int step, int* wanted)
        {
            int end = Math.Min(column + step, active.Columns), count = 0, bytes = (int)columns.ColumnBytes;
            if (column >= end)
                return 0;
            if (part.Kind < 0)
            {
                int* counts = active.FloatCountsOf(position), found = active.FloatColumns + (long)position * active.Columns;
                int until = counts[(end + IntegerPanels.Group - 1) / IntegerPanels.Group];
                for (int i = counts[column / IntegerPanels.Group]; i < until; i++)
                    wanted[count++] = found[i] * bytes;
                return count;
            }
            IntegerKind kind = weight.Kinds[part.Kind];
            int size = IntegerPanels.Group / kind.Parts;
            byte* quads = active.CountsOf(part.Kind, kind, position), places = active.PlacesOf(part.Kind, position);
            for (int at = column; at < end; at += size)
            {
                int ofPart = 4 * quads[at / size];
                for (int i = 0; i < ofPart; i++)
                {
                    wanted[count] = (column + places[at + i]) * bytes;
                    count += i > 0 && places[at + i] == places[at + i - 1] ? 0 : 1; // the last four are filled up
                }
            }
            return count;
        }
    }
}
