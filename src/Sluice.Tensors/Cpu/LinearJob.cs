using System.Runtime.Intrinsics;

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

/// <summary>Multiplies: an item is one panel, or two, of the weight times one segment of the inputs.</summary>
internal readonly unsafe struct LinearJob(
    Kernels kernels, CpuWeight weight, Activations activations, Segment* segments, int* outputRows, Tensor output, Tensor bias,
    WorkerScratch[] scratch, bool inPairs) : IParallelJob
{
    public void Run(int start, int end, int worker)
    {
        int perExpert = inPairs ? weight.PairsPerExpert : weight.PanelsPerExpert;
        for (int item = start; item < end; item++)
        {
            (int segment, int index) = Math.DivRem(item, perExpert);
            int at = 0;
            while (at + 1 < weight.Parts.Length && (inPairs ? weight.Parts[at + 1].Pair : weight.Parts[at + 1].Panel) <= index)
                at++;
            CpuWeight.Part part = weight.Parts[at];
            int panel = inPairs ? 2 * (index - part.Pair) : index - part.Panel;
            if (inPairs && panel + 1 < part.Panels.PanelsPerExpert)
                MultiplyPair(segments[segment], part, panel, scratch[worker]);
            else
                Multiply(segments[segment], part, panel, scratch[worker]);
        }
    }

    private (int First, int Last) Positions(Segment segment) =>
        (activations.Tiles[segment.FirstTile], activations.Tiles[segment.FirstTile + segment.TileCount]);

    private void MultiplyPair(Segment segment, CpuWeight.Part part, int panel, WorkerScratch room)
    {
        if (segment.TileCount <= 2)
        {
            Multiply(segment, part, panel, room);
            Multiply(segment, part, panel + 1, room);
            return;
        }
        (int first, int last) = Positions(segment);
        float* second = (float*)((byte*)room.Sums + WorkerScratch.SumBytes);
        new Span<float>(room.Sums, (last - first) * Panels.Height).Clear();
        new Span<float>(second, (last - first) * Panels.Height).Clear();
        int columns = activations.Columns, absolute = segment.Expert * part.Panels.PanelsPerExpert + panel;
        for (int column = 0; column < columns; column += WorkerScratch.Columns)
        {
            int here = Math.Min(WorkerScratch.Columns, columns - column);
            if (part.Panels is IntegerPanels integers)
                MultiplyIntegerPair(integers, part.Kind, absolute, column, here, segment, first, room);
            else
                MultiplyFloatPair((FloatPanels)part.Panels, absolute, column, here, segment, first, room);
        }
        WritePair(part, panel, segment.Expert, first, last, room.Sums, second);
    }

    private void MultiplyIntegerPair(
        IntegerPanels panels, int kind, int panel, int column, int columns, Segment segment, int origin, WorkerScratch room)
    {
        int group = column / IntegerPanels.Group, groups = columns / IntegerPanels.Group, notesPerGroup = panels.Kind.NotesPerGroup;
        for (int i = 0; i < 2; i++)
        {
            byte* to = room.Codes + i * WorkerScratch.CodeBytes;
            byte* codes = panels.Unpack(panel + i, column, groups, to, (float*)((byte*)room.Scales + i * WorkerScratch.ScaleBytes));
            if (codes != to)
                Buffer.MemoryCopy(codes, to, WorkerScratch.CodeBytes, groups * IntegerPanels.GroupCodes);
        }
        float* notes = activations.NotesOf(kind);
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.IntegerPair(
                panels.Kind, tokens, room.Codes, room.Scales,
                activations.Quants + (long)first * activations.Columns + (long)column * tokens,
                notes + ((long)first * (activations.Columns / IntegerPanels.Group) + (long)group * tokens) * notesPerGroup,
                room.Sums + (first - origin) * Panels.Height, groups);
        }
    }

    private void MultiplyFloatPair(FloatPanels panels, int panel, int column, int columns, Segment segment, int origin, WorkerScratch room)
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
                tokens, room.Values, activations.Floats + (long)first * activations.Columns + (long)column * tokens,
                room.Sums + (first - origin) * Panels.Height, columns);
        }
    }

    private void Multiply(Segment segment, CpuWeight.Part part, int panel, WorkerScratch room)
    {
        (int first, int last) = Positions(segment);
        new Span<float>(room.Sums, (last - first) * Panels.Height).Clear();
        int columns = activations.Columns, absolute = segment.Expert * part.Panels.PanelsPerExpert + panel;
        if (segment.TileCount <= 2 && MultiplyPacked(part, absolute, segment, first, room))
        {
            Write(part, panel, segment.Expert, first, last, room.Sums);
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
        Write(part, panel, segment.Expert, first, last, room.Sums);
    }

    private bool MultiplyPacked(CpuWeight.Part part, int panel, Segment segment, int origin, WorkerScratch room)
    {
        int groups = activations.Columns / IntegerPanels.Group;
        bool can = true;
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount && can; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            float* sums = room.Sums + (first - origin) * Panels.Height;
            can = part.Panels switch
            {
                PackedIntegers integers => kernels.Packed(
                    integers, tokens, integers.Codes(panel), integers.Scales(panel),
                    activations.Quants + (long)first * activations.Columns,
                    activations.NotesOf(part.Kind) + (long)first * groups * integers.Kind.NotesPerGroup, sums, groups),
                PackedPoints points => kernels.PackedPoints(
                    points, tokens, points.Units(panel), activations.Quants + (long)first * activations.Columns,
                    activations.NotesOf(part.Kind) + (long)first * groups * points.Kind.NotesPerGroup, sums, groups),
                PackedFloats floats => kernels.PackedFloats(
                    floats.Type, tokens, floats.Values(panel), activations.Floats + (long)first * activations.Columns, sums,
                    activations.Columns),
                _ => false,
            };
        }
        return can;
    }

    private void MultiplyIntegers(
        IntegerPanels panels, int kind, int panel, int column, int columns, Segment segment, int origin, WorkerScratch room)
    {
        int group = column / IntegerPanels.Group, groups = columns / IntegerPanels.Group, notesPerGroup = panels.Kind.NotesPerGroup;
        byte* codes = panels.Unpack(panel, column, groups, room.Codes, room.Scales);
        float* notes = activations.NotesOf(kind);
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.Integers(
                panels.Kind, tokens, codes, room.Scales,
                activations.Quants + (long)first * activations.Columns + (long)column * tokens,
                notes + ((long)first * (activations.Columns / IntegerPanels.Group) + (long)group * tokens) * notesPerGroup,
                room.Sums + (first - origin) * Panels.Height, groups);
        }
    }

    private void MultiplyFloats(FloatPanels panels, int panel, int column, int columns, Segment segment, int origin, WorkerScratch room)
    {
        float* values = panels.Unpack(panel, column, columns, room.Values);
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.Floats(
                tokens, values, activations.Floats + (long)first * activations.Columns + (long)column * tokens,
                room.Sums + (first - origin) * Panels.Height, columns);
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
            Vector256.Load(sums).Store(target);
            Vector256.Load(sums + 8).Store(target + 8);
            Vector256.Load(second).Store(target + 16);
            Vector256.Load(second + 8).Store(target + 24);
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
