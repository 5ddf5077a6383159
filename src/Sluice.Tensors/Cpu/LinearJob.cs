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

/// <summary>Multiplies: an item is one panel of the weight times one segment of the inputs.</summary>
internal readonly unsafe struct LinearJob(
    Kernels kernels, CpuWeight weight, Activations activations, Segment* segments, int* outputRows, Tensor output, Tensor bias,
    WorkerScratch[] scratch) : IParallelJob
{
    /// <summary>Tokens of the longest segment, by the room that a worker has for sums.</summary>
    public const int MaxSegment = 512;

    public void Run(int start, int end, int worker)
    {
        for (int item = start; item < end; item++)
        {
            (int segment, int panel) = Math.DivRem(item, weight.PanelsPerExpert);
            int part = 0;
            while (part + 1 < weight.Parts.Length && weight.Parts[part + 1].Panel <= panel)
                part++;
            Multiply(segments[segment], weight.Parts[part], panel - weight.Parts[part].Panel, scratch[worker]);
        }
    }

    private void Multiply(Segment segment, CpuWeight.Part part, int panel, WorkerScratch room)
    {
        int first = activations.Tiles[segment.FirstTile], last = activations.Tiles[segment.FirstTile + segment.TileCount];
        new Span<float>(room.Sums, (last - first) * Panels.Height).Clear();
        int columns = activations.Columns, absolute = segment.Expert * part.Panels.PanelsPerExpert + panel;
        // One tile needs unpacked columns once: few at a time keep them in the first-level cache. For many tiles, longer
        // stretches load and store the sums less often.
        if (part.Panels is PackedIntegers packed && segment.TileCount <= 2 && MultiplyPacked(packed, part.Kind, absolute, segment, first, room))
        {
            Write(part, panel, segment.Expert, first, last, room.Sums);
            return;
        }
        int stretch = segment.TileCount == 1 ? Panels.Stretch : WorkerScratch.Columns;
        if (part.Panels is IntegerPanels integers)
        {
            for (int column = 0; column < columns; column += stretch)
                MultiplyIntegers(integers, part.Kind, absolute, column, Math.Min(stretch, columns - column), segment, first, room);
        }
        else
        {
            for (int column = 0; column < columns; column += stretch)
                MultiplyFloats((FloatPanels)part.Panels, absolute, column, Math.Min(stretch, columns - column), segment, first, room);
        }
        Write(part, panel, segment.Expert, first, last, room.Sums);
    }

    private bool MultiplyPacked(PackedIntegers panels, int kind, int panel, Segment segment, int origin, WorkerScratch room)
    {
        int groups = activations.Columns / IntegerPanels.Group;
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            bool can = kernels.Packed(
                panels, tokens, panels.Codes(panel), panels.Scales(panel), activations.Quants + (long)first * activations.Columns,
                activations.NotesOf(kind) + (long)first * groups * panels.Kind.NotesPerGroup,
                room.Sums + (first - origin) * Panels.Height, groups);
            if (!can)
                return false;
        }
        return true;
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
