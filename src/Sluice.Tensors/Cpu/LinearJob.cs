using System.Runtime.Intrinsics;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>Rows of one expert that a linear map multiplies at a time: tiles that follow each other.</summary>
internal readonly record struct Segment(int Expert, int FirstTile, int TileCount);

/// <summary>Arranges the inputs, tile by tile.</summary>
internal readonly struct ArrangeJob(Activations activations, CpuWeight weight) : IParallelJob
{
    public void Run(int start, int end, int worker)
    {
        for (int tile = start; tile < end; tile++)
            activations.Arrange(tile, weight.Kinds);
    }
}

/// <summary>
/// Multiplies: an item is one panel of the weight, or a few pairs of them (at most <see cref="WorkerScratch.Pairs"/>; 0 pairs an item
/// stand for single panels), times one segment of the inputs.
/// </summary>
internal readonly unsafe struct LinearJob(
    Kernels kernels, CpuWeight weight, Activations activations, Segment* segments, int* outputRows, Tensor output, Tensor bias,
    WorkerScratch[] scratch, int pairsPerItem) : IParallelJob
{
    /// <summary>Items of a segment.</summary>
    public static int Items(CpuWeight weight, int pairsPerItem) =>
        pairsPerItem == 0 ? weight.PanelsPerExpert : (weight.PairsPerExpert + pairsPerItem - 1) / pairsPerItem;

    public void Run(int start, int end, int worker)
    {
        int perSegment = Items(weight, pairsPerItem);
        for (int item = start; item < end; item++)
        {
            (int segment, int index) = Math.DivRem(item, perSegment);
            if (pairsPerItem == 0)
            {
                CpuWeight.Part part = weight.PartOfPanel(index);
                Multiply(segments[segment], part, index - part.Panel, scratch[worker]);
                continue;
            }
            int first = index * pairsPerItem;
            MultiplyPairs(segments[segment], first, Math.Min(first + pairsPerItem, weight.PairsPerExpert), scratch[worker]);
        }
    }

    private (int First, int Last) Positions(Segment segment) =>
        (activations.Tiles[segment.FirstTile], activations.Tiles[segment.FirstTile + segment.TileCount]);

    /// <summary>
    /// Multiplies pairs, columns by columns: so a block of the activations is still in the second-level cache for the next pair.
    /// </summary>
    private void MultiplyPairs(Segment segment, int firstPair, int endPair, WorkerScratch room)
    {
        (int first, int last) = Positions(segment);
        bool isFew = last - first <= Kernels.PackedTokens;
        for (int pair = firstPair; pair < endPair; pair++)
        {
            for (int panel = 0; panel < 2; panel++)
                new Span<float>(room.SumsOf(pair - firstPair, panel), (last - first) * Panels.Height).Clear();
        }
        int columns = activations.Columns;
        for (int column = 0; column < columns; column += WorkerScratch.Columns)
        {
            int here = Math.Min(WorkerScratch.Columns, columns - column);
            for (int pair = firstPair; pair < endPair; pair++)
            {
                (CpuWeight.Part part, int panel, bool isWhole) = Locate(pair);
                if (!isWhole || (isFew && !InBFloat16(part)))
                    continue;
                Prefetch(segment.Expert, pair + 1 < endPair ? (pair + 1, column) : (firstPair, column + WorkerScratch.Columns));
                int absolute = segment.Expert * part.Panels.PanelsPerExpert + panel;
                float* sums = room.SumsOf(pair - firstPair, 0);
                if (part.Panels is IntegerPanels integers)
                    MultiplyIntegerPair(integers, part.Kind, absolute, column, here, segment, first, room, sums);
                else if (InBFloat16(part))
                    MultiplyBFloat16Pair((PackedBFloat16s)part.Panels, absolute, column, here, segment, first, sums);
                else
                    MultiplyFloatPair((FloatPanels)part.Panels, absolute, column, here, segment, first, room, sums);
            }
        }
        for (int pair = firstPair; pair < endPair; pair++)
        {
            (CpuWeight.Part part, int panel, bool isWhole) = Locate(pair);
            if (isWhole && (!isFew || InBFloat16(part)))
            {
                WritePair(part, panel, segment.Expert, first, last, room.SumsOf(pair - firstPair, 0), room.SumsOf(pair - firstPair, 1));
                continue;
            }
            Multiply(segment, part, panel, room);
            if (isWhole)
                Multiply(segment, part, panel + 1, room);
        }
    }

    // What is unpacked next comes from memory while this pair is multiplied.
    private void Prefetch(int expert, (int Pair, int Column) next)
    {
        int columns = Math.Min(WorkerScratch.Columns, activations.Columns - next.Column);
        (CpuWeight.Part part, int panel, bool isWhole) = Locate(next.Pair);
        if (!isWhole || columns <= 0 || part.Panels is not PackedIntegers integers)
            return;
        for (int i = 0; i < 2; i++)
            integers.Prefetch(expert * integers.PanelsPerExpert + panel + i, next.Column, columns);
    }

    /// <summary>A pair's part and first panel, and whether it has a second.</summary>
    private (CpuWeight.Part Part, int Panel, bool IsWhole) Locate(int pair)
    {
        CpuWeight.Part part = weight.PartOfPair(pair);
        int panel = 2 * (pair - part.Pair);
        return (part, panel, panel + 1 < part.Panels.PanelsPerExpert);
    }

    private void MultiplyIntegerPair(
        IntegerPanels panels, int kind, int panel, int column, int columns, Segment segment, int origin, WorkerScratch room,
        float* sums)
    {
        int groups = columns / IntegerPanels.Group;
        for (int i = 0; i < 2; i++)
        {
            byte* to = room.Codes + i * WorkerScratch.CodeBytes;
            byte* codes = panels.Unpack(panel + i, column, groups, to, (float*)((byte*)room.Scales + i * WorkerScratch.ScaleBytes));
            if (codes != to)
                Buffer.MemoryCopy(codes, to, WorkerScratch.CodeBytes, groups * IntegerPanels.GroupCodes);
        }
        int end = segment.FirstTile + segment.TileCount;
        for (int tile = segment.FirstTile; tile < end;)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first, run = 1;
            while (tile + run < end && activations.Tiles[tile + run + 1] - activations.Tiles[tile + run] == tokens)
                run++;
            kernels.IntegerPair(panels.Kind, tokens, new PairArguments
            {
                Codes = room.Codes,
                Scales = room.Scales,
                Activations = activations.QuantsAt(first, tokens, column),
                Notes = activations.NotesAt(kind, panels.Kind.NotesPerGroup, first, tokens, column),
                Sums = sums + (first - origin) * Panels.Height,
                Groups = groups,
                Tiles = run,
            });
            tile += run;
        }
    }

    private void MultiplyFloatPair(
        FloatPanels panels, int panel, int column, int columns, Segment segment, int origin, WorkerScratch room, float* sums)
    {
        for (int i = 0; i < 2; i++)
        {
            float* to = (float*)((byte*)room.Values + i * WorkerScratch.ValueBytes);
            float* values = panels.Unpack(panel + i, column, columns, to);
            if (values != to)
                Buffer.MemoryCopy(values, to, WorkerScratch.ValueBytes, (long)columns * Panels.Height * sizeof(float));
        }
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.FloatPair(
                tokens, room.Values, activations.FloatsAt(panels, first, tokens, column),
                sums + (first - origin) * Panels.Height, columns);
        }
    }

    private bool InBFloat16(CpuWeight.Part part) => part.Panels is PackedBFloat16s && kernels.HasBFloat16;

    // These are multiplied as they are packed, in place.
    private void MultiplyBFloat16Pair(
        PackedBFloat16s panels, int panel, int column, int columns, Segment segment, int origin, float* sums)
    {
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.BFloat16Pair(
                tokens, panels.Values(panel, column), panels.PanelBytes, activations.PairsAt(first, tokens, column),
                sums + (first - origin) * Panels.Height, Bfloat16Pairs.Count(columns));
        }
    }

    private void MultiplyBFloat16s(
        PackedBFloat16s panels, int panel, int column, int columns, Segment segment, int origin, WorkerScratch room)
    {
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.BFloat16s(
                tokens, panels.Values(panel, column), activations.PairsAt(first, tokens, column),
                room.Single + (first - origin) * Panels.Height, Bfloat16Pairs.Count(columns));
        }
    }

    private void Multiply(Segment segment, CpuWeight.Part part, int panel, WorkerScratch room)
    {
        (int first, int last) = Positions(segment);
        new Span<float>(room.Single, (last - first) * Panels.Height).Clear();
        int columns = activations.Columns, absolute = segment.Expert * part.Panels.PanelsPerExpert + panel;
        if (InBFloat16(part))
        {
            for (int column = 0; column < columns; column += WorkerScratch.Columns)
            {
                int here = Math.Min(WorkerScratch.Columns, columns - column);
                MultiplyBFloat16s((PackedBFloat16s)part.Panels, absolute, column, here, segment, first, room);
            }
            Write(part, panel, segment.Expert, first, last, room.Single);
            return;
        }
        if (last - first <= Kernels.PackedTokens && MultiplyPacked(part, absolute, segment, first, room))
        {
            Write(part, panel, segment.Expert, first, last, room.Single);
            return;
        }
        // One tile needs unpacked columns once: few at a time keep them in the first-level cache. For many tiles, longer
        // stretches load and store the sums less often.
        int stretch = segment.TileCount == 1 ? Panels.Stretch : WorkerScratch.Columns;
        for (int column = 0; column < columns; column += stretch)
        {
            int here = Math.Min(stretch, columns - column);
            if (part.Panels is IntegerPanels integers)
                MultiplyIntegers(integers, part.Kind, absolute, column, here, segment, first, room);
            else
                MultiplyFloats((FloatPanels)part.Panels, absolute, column, here, segment, first, room);
        }
        Write(part, panel, segment.Expert, first, last, room.Single);
    }

    private bool MultiplyPacked(CpuWeight.Part part, int panel, Segment segment, int origin, WorkerScratch room)
    {
        bool can = true;
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount && can; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            float* sums = room.Single + (first - origin) * Panels.Height;
            for (int column = 0; column < activations.Columns && can; column += activations.Block)
            {
                int columns = Math.Min(activations.Block, activations.Columns - column);
                can = part.Panels switch
                {
                    PackedIntegers integers => kernels.Packed(
                        integers, tokens, integers.Codes(panel, column), integers.Scales(panel, column),
                        activations.QuantsAt(first, tokens, column),
                        activations.NotesAt(part.Kind, integers.Kind.NotesPerGroup, first, tokens, column), sums,
                        columns / IntegerPanels.Group),
                    PackedFloats floats => kernels.PackedFloats(
                        floats.Type, tokens, floats.Values(panel, column), activations.FloatsAt(floats, first, tokens, column), sums, columns),
                    PackedBFloat16s pairs => kernels.PackedFloats(
                        TensorType.BF16, tokens, pairs.Values(panel, column), activations.FloatsAt(pairs, first, tokens, column), sums,
                        columns),
                    _ => false,
                };
            }
        }
        return can;
    }

    private void MultiplyIntegers(
        IntegerPanels panels, int kind, int panel, int column, int columns, Segment segment, int origin, WorkerScratch room)
    {
        int groups = columns / IntegerPanels.Group;
        byte* codes = panels.Unpack(panel, column, groups, room.Codes, room.Scales);
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.Integers(
                panels.Kind, tokens, codes, room.Scales,
                activations.QuantsAt(first, tokens, column),
                activations.NotesAt(kind, panels.Kind.NotesPerGroup, first, tokens, column),
                room.Single + (first - origin) * Panels.Height, groups);
        }
    }

    private void MultiplyFloats(FloatPanels panels, int panel, int column, int columns, Segment segment, int origin, WorkerScratch room)
    {
        float* values = panels.Unpack(panel, column, columns, room.Values);
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.Floats(
                tokens, values, activations.FloatsAt(panels, first, tokens, column),
                room.Single + (first - origin) * Panels.Height, columns);
        }
    }

    // Both panels' rows of a token are neighbours: writing them together halves the memory pages that are gone through.
    private void WritePair(CpuWeight.Part part, int panel, int expert, int first, int last, float* sums, float* second)
    {
        int row = panel * Panels.Height;
        if (!bias.IsEmpty || part.Panels.Rows - row < 2 * Panels.Height)
        {
            Write(part, panel, expert, first, last, sums);
            Write(part, panel + 1, expert, first, last, second);
            return;
        }
        for (int position = first; position < last; position++, sums += Panels.Height, second += Panels.Height)
        {
            float* target = output.Data + (long)outputRows[position] * output.Stride + part.Row + row;
            Vector512.Load(sums).Store(target);
            Vector512.Load(second).Store(target + Panels.Height);
        }
    }

    private void Write(CpuWeight.Part part, int panel, int expert, int first, int last, float* sums)
    {
        int row = panel * Panels.Height, rows = Math.Min(Panels.Height, part.Panels.Rows - row);
        float* added = bias.IsEmpty ? null : bias.Data + (long)expert * bias.Stride + part.Row + row;
        for (int position = first; position < last; position++, sums += Panels.Height)
        {
            float* target = output.Data + (long)outputRows[position] * output.Stride + part.Row + row;
            if (added is null && rows == Panels.Height)
            {
                Vector256.Load(sums).Store(target);
                Vector256.Load(sums + 8).Store(target + 8);
                continue;
            }
            for (int r = 0; r < rows; r++)
                target[r] = added is null ? sums[r] : sums[r] + added[r];
        }
    }
}
