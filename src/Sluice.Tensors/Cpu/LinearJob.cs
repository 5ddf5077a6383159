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
/// stand for single panels), times one segment of the inputs. With a gate, an item's panels are those of the weight's first half and the
/// same of the second, and what is written is the gated unit of the two.
/// </summary>
internal readonly unsafe struct LinearJob(
    Kernels kernels, CpuWeight weight, Activations activations, Segment* segments, int* outputRows, Tensor output, Tensor bias,
    Activation? gate, WorkerScratch[] scratch, int pairsPerItem) : IParallelJob
{
    // Columns of the panels in one call, at most: a collection waits for a call to end, about 20 microseconds.
    private const int RunColumns = 32768;

    private int Pairs => gate is null ? weight.PairsPerExpert : weight.PanelsPerExpert / 2;

    /// <summary>Items of a segment.</summary>
    public int Items => pairsPerItem > 0 ? (Pairs + pairsPerItem - 1) / pairsPerItem : gate is null ? weight.PanelsPerExpert : Pairs;

    public void Run(int start, int end, int worker)
    {
        WorkerScratch room = scratch[worker];
        for (int item = start; item < end;)
        {
            (int index, int within) = Math.DivRem(item, Items);
            Segment segment = segments[index];
            if (pairsPerItem == 0)
            {
                item += MultiplyRun(segment, within, Math.Min(end - item, Items - within), room);
                continue;
            }
            MultiplyPairs(segment, within * pairsPerItem, Math.Min((within + 1) * pairsPerItem, Pairs), room);
            item++;
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
        bool isFew = last - first <= Kernels.PackedTokens && !activations.ByToken && !weight.IsInColumns;
        int columns = activations.Columns;
        for (int column = 0; column < columns; column += WorkerScratch.Columns)
        {
            for (int i = firstPair; i < endPair; i++)
            {
                CpuWeight.PanelPair pair = Pair(i);
                if (!IsTogether(pair, isFew))
                    continue;
                Prefetch(segment.Expert, Next(i, firstPair, endPair, column));
                float* sums = room.SumsOf(i - firstPair, 0);
                if (column == 0)
                {
                    Clear(sums, last - first);
                    Clear(room.SumsOf(i - firstPair, 1), last - first);
                }
                int here = Math.Min(WorkerScratch.Columns, columns - column);
                if (pair is { First.Panels: ColumnIntegers, Second.Panels: ColumnIntegers } && HasAdjacentQuads(pair))
                    MultiplyColumnPair(pair, i == firstPair, column, here, segment, first, room, sums);
                else if (pair.First.Panels is IntegerPanels)
                    MultiplyIntegerPair(pair, column, here, segment, first, room, sums);
                else if (InBFloat16(pair.First))
                    MultiplyBFloat16Pair(pair, column, here, segment, first, sums);
                else if (pair.First.Panels is ScaledCodes)
                    MultiplyCodePair(pair, column, here, segment, first, room, sums);
                else if (isFew)
                    MultiplyScaledPair(pair, column, here, segment, first, sums);
                else
                    MultiplyFloatPair(pair, Next(i, firstPair, endPair, column), column, here, segment, first, room, sums);
            }
        }
        for (int i = firstPair; i < endPair; i++)
        {
            CpuWeight.PanelPair pair = Pair(i);
            float* sums = room.SumsOf(i - firstPair, 0), second = room.SumsOf(i - firstPair, 1);
            if (!IsTogether(pair, isFew))
            {
                Multiply(segment, pair.First, pair.FirstPanel, 1, room, sums);
                if (pair.IsWhole)
                    Multiply(segment, pair.Second, pair.SecondPanel, 1, room, second);
            }
            Scale(segment, 1, sums);
            if (pair.IsWhole)
                Scale(segment, 1, second);
            if (gate is { } activation)
            {
                Functions.Gate(activation, sums, second, sums, (last - first) * Panels.Height);
                Write(segment, pair.First, pair.FirstPanel, sums);
            }
            else
                WritePair(segment, pair, sums, second);
        }
    }

    /// <summary>Multiplies panels that follow each other (and with a gate, those of the other half), at most so many.</summary>
    /// <returns>How many, at least one.</returns>
    /// <remarks>
    /// Of few tokens, memory is the limit, and a call for each panel would hold it up: several panels of integers are one call.
    /// </remarks>
    private int MultiplyRun(Segment segment, int from, int most, WorkerScratch room)
    {
        (int first, int last) = Positions(segment);
        (CpuWeight.Part part, int panel) = weight.Locate(from);
        int count = 1;
        if (segment.TileCount == 1 && part.Panels is IntegerPanels)
        {
            int fit = Math.Min(RunColumns / activations.Columns, WorkerScratch.Tokens / (last - first));
            count = Math.Clamp(fit, 1, Math.Min(most, part.Panels.PanelsPerExpert - panel));
        }
        int size = (last - first) * Panels.Height;
        float* sums = room.SumsOf(0, 0);
        Multiply(segment, part, panel, count, room, sums);
        Scale(segment, count, sums);
        if (gate is { } activation)
        {
            (CpuWeight.Part other, int otherPanel) = weight.Locate(from + Pairs);
            float* second = room.SumsOf(0, 1);
            Multiply(segment, other, otherPanel, count, room, second);
            Scale(segment, count, second);
            Functions.Gate(activation, sums, second, sums, count * size);
        }
        for (int i = 0; i < count; i++)
            Write(segment, part, panel + i, sums + i * size);
        return count;
    }

    private CpuWeight.PanelPair Pair(int pair) => gate is null ? weight.Pair(pair) : weight.HalvesPair(pair);

    private static void Clear(float* sums, int positions) => new Span<float>(sums, positions * Panels.Height).Clear();

    /// <summary>A panel's number among those of all experts.</summary>
    private static int Absolute(Segment segment, CpuWeight.Part part, int panel) => segment.Expert * part.Panels.PanelsPerExpert + panel;

    private static (int Pair, int Column) Next(int pair, int firstPair, int endPair, int column) =>
        pair + 1 < endPair ? (pair + 1, column) : (firstPair, column + WorkerScratch.Columns);

    // What is unpacked next comes from memory while this pair is multiplied.
    private void Prefetch(int expert, (int Pair, int Column) next)
    {
        int columns = Math.Min(WorkerScratch.Columns, activations.Columns - next.Column);
        CpuWeight.PanelPair pair = Pair(next.Pair);
        if (!pair.IsWhole || columns <= 0)
            return;
        if (Packed(pair.First) is { } first)
            first.Prefetch(expert * first.PanelsPerExpert + pair.FirstPanel, next.Column, columns);
        if (Packed(pair.Second) is { } second)
            second.Prefetch(expert * second.PanelsPerExpert + pair.SecondPanel, next.Column, columns);

        static PackedIntegers? Packed(CpuWeight.Part part) =>
            (part.Panels is ScaledCodes scaled ? scaled.Codes : part.Panels) as PackedIntegers;
    }

    /// <summary>Multiplies sums by what the activations of each position share, if they share a scale that is not in the products.</summary>
    private void Scale(Segment segment, int panels, float* sums)
    {
        if (activations.TokenScales is null)
            return;
        (int first, int last) = Positions(segment);
        for (int panel = 0; panel < panels; panel++)
        {
            for (int position = first; position < last; position++, sums += Panels.Height)
                (Vector512.Load(sums) * activations.TokenScales[position]).Store(sums);
        }
    }

    private void MultiplyIntegerPair(
        CpuWeight.PanelPair pair, int column, int columns, Segment segment, int origin, WorkerScratch room, float* sums)
    {
        int groups = columns / IntegerPanels.Group;
        for (int i = 0; i < 2; i++)
        {
            (CpuWeight.Part part, int panel) = i == 0 ? (pair.First, pair.FirstPanel) : (pair.Second, pair.SecondPanel);
            byte* to = room.Codes + i * WorkerScratch.CodeBytes;
            byte* codes = ((IntegerPanels)part.Panels).Unpack(
                Absolute(segment, part, panel), column, groups, to, (float*)((byte*)room.Scales + i * WorkerScratch.ScaleBytes));
            if (codes != to)
                Buffer.MemoryCopy(codes, to, WorkerScratch.CodeBytes, groups * IntegerPanels.GroupCodes);
        }
        IntegerKind kind = weight.Kinds[pair.First.Kind];
        foreach (TileRun run in Runs(segment))
        {
            PairArguments arguments = new()
            {
                Codes = room.Codes,
                Scales = room.Scales,
                Activations = activations.QuantsAt(kind, run.First, run.Tokens, column),
                Notes = activations.NotesAt(pair.First.Kind, kind.NotesPerGroup, run.First, run.Tokens, column),
                Sums = sums + (run.First - origin) * Panels.Height,
                Groups = groups,
                Tiles = run.Tiles,
                Room = room.Room,
            };
            if (activations.ByToken)
                kernels.IntegerTiles(kind, run.Tokens, arguments);
            else
                kernels.IntegerPair(kind, run.Tokens, arguments);
        }
    }

    // Panels of one place among the four that are unpacked together, or two neighbours there.
    private bool HasAdjacentQuads(CpuWeight.PanelPair pair) =>
        gate is null || pair.FirstPanel % ColumnIntegers.QuadPanels == pair.SecondPanel % ColumnIntegers.QuadPanels;

    /// <summary>
    /// Multiplies a pair of panels that lie in columns, of which four are unpacked at once: those of the first half of the weight and those of the
    /// second side by side, if there is a gate. Between tiles it asks for what is unpacked next.
    /// </summary>
    private void MultiplyColumnPair(
        CpuWeight.PanelPair pair, bool isFirst, int column, int columns, Segment segment, int origin, WorkerScratch room, float* sums)
    {
        const int Quad = ColumnIntegers.QuadPanels, CodeBytes = WorkerScratch.CodeBytes;
        ColumnIntegers panels = (ColumnIntegers)pair.First.Panels, others = (ColumnIntegers)pair.Second.Panels;
        int groups = columns / IntegerPanels.Group, width = gate is null ? 1 : 2, place = pair.FirstPanel % Quad;
        int panel = Absolute(segment, pair.First, pair.FirstPanel), other = Absolute(segment, pair.Second, pair.SecondPanel);
        if (isFirst || place == 0)
        {
            panels.UnpackQuad(panel - place, column, groups, room.Codes, width * CodeBytes);
            if (gate is not null)
                others.UnpackQuad(other - place, column, groups, room.Codes + CodeBytes, width * CodeBytes);
        }
        panels.UnpackScales(panel, column, groups, room.Scales);
        others.UnpackScales(other, column, groups, (float*)((byte*)room.Scales + WorkerScratch.ScaleBytes));
        // The same panels' next columns or, at the end of a row, the next item's first.
        int next = column + columns, ahead = 0;
        if (next == activations.Columns)
            (next, ahead) = (0, gate is null ? IColumns.BlockPanels : Quad);
        // A part of them with each pair of those that are unpacked together.
        int pairs = gate is null ? Quad / 2 : Quad, share = Math.Min(WorkerScratch.Columns, activations.Columns - next) / pairs, asked = 0;
        int start = next + place * pairs / Quad * share;
        IntegerKind kind = weight.Kinds[pair.First.Kind];
        for (int i = 0; i < segment.TileCount; i++)
        {
            int first = activations.Tiles[segment.FirstTile + i], tokens = activations.Tiles[segment.FirstTile + i + 1] - first;
            int until = share * (i + 1) / segment.TileCount;
            panels.Prefetch(panel - place + ahead, Quad, start + asked, until - asked);
            if (gate is not null)
                others.Prefetch(other - place + ahead, Quad, start + asked, until - asked);
            asked = until;
            PairArguments arguments = new()
            {
                Codes = room.Codes + width * place * CodeBytes,
                Scales = room.Scales,
                Activations = activations.QuantsAt(kind, first, tokens, column),
                Notes = activations.NotesAt(pair.First.Kind, kind.NotesPerGroup, first, tokens, column),
                Sums = sums + (first - origin) * Panels.Height,
                Groups = groups,
                Tiles = 1,
                Room = room.Room,
            };
            if (activations.ByToken)
                kernels.IntegerTiles(kind, tokens, arguments);
            else
                kernels.IntegerPair(kind, tokens, arguments);
        }
    }

    private void MultiplyCodePair(
        CpuWeight.PanelPair pair, int column, int columns, Segment segment, int origin, WorkerScratch room, float* sums)
    {
        CodeKind kind = Kind((ScaledCodes)pair.First.Panels);
        for (int i = 0; i < 2; i++)
        {
            (CpuWeight.Part part, int panel) = i == 0 ? (pair.First, pair.FirstPanel) : (pair.Second, pair.SecondPanel);
            Unpack((ScaledCodes)part.Panels, kind, Absolute(segment, part, panel), column, columns, room, i);
        }
        foreach (TileRun run in Runs(segment))
        {
            kernels.ScaledCodePair(kind, run.Tokens, new PairArguments
            {
                Codes = (byte*)room.Values,
                Scales = room.Scales,
                Activations = (sbyte*)activations.CodesAt(kind, run.First, run.Tokens, column),
                Notes = activations.SumsAt(kind, run.First, run.Tokens, column),
                Sums = sums + (run.First - origin) * Panels.Height,
                Groups = columns / IntegerPanels.Group,
                Tiles = run.Tiles,
            });
        }
    }

    /// <summary>How these kernels multiply such panels.</summary>
    private CodeKind Kind(ScaledCodes panels) => panels.Kind with { IsSingle = panels.Kind.IsSingle || !kernels.HasBFloat16 };

    /// <summary>Unpacks a panel's columns to the first or the second place for values; by way of the place for codes, if they become singles.</summary>
    private static void Unpack(ScaledCodes panels, in CodeKind kind, int panel, int column, int columns, WorkerScratch room, int place)
    {
        float* values = (float*)((byte*)room.Values + place * WorkerScratch.ValueBytes);
        float* scales = (float*)((byte*)room.Scales + place * WorkerScratch.ScaleBytes);
        int* pairs = kind.IsSingle ? (int*)room.Codes : (int*)values;
        panels.Unpack(panel, column, columns / IntegerPanels.Group, pairs, scales);
        if (kind.IsSingle)
            Bfloat16Pairs.Unpack(pairs, columns, values);
    }

    private void MultiplyFloatPair(
        CpuWeight.PanelPair pair, (int Pair, int Column) next, int column, int columns, Segment segment, int origin, WorkerScratch room, float* sums)
    {
        for (int i = 0; i < 2; i++)
        {
            (CpuWeight.Part part, int panel) = i == 0 ? (pair.First, pair.FirstPanel) : (pair.Second, pair.SecondPanel);
            float* to = (float*)((byte*)room.Values + i * WorkerScratch.ValueBytes);
            float* values = ((FloatPanels)part.Panels).Unpack(Absolute(segment, part, panel), column, columns, to);
            if (values != to)
                Buffer.MemoryCopy(values, to, WorkerScratch.ValueBytes, (long)columns * Panels.Height * sizeof(float));
        }
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            PrefetchColumns(segment, next, tile - segment.FirstTile);
            kernels.FloatPair(
                tokens, room.Values, activations.FloatsAt((FloatPanels)pair.First.Panels, first, tokens, column),
                sums + (first - origin) * Panels.Height, columns);
        }
    }

    // As Prefetch, of columns, and a part of them with each tile: asked for all at once they hold up what is loaded meanwhile.
    private void PrefetchColumns(Segment segment, (int Pair, int Column) next, int tile)
    {
        if (next.Column >= activations.Columns)
            next = (Math.Min(next.Pair + pairsPerItem, Pairs - 1), 0); // the next item's first
        CpuWeight.PanelPair pair = Pair(next.Pair);
        if (!pair.IsWhole)
            return;
        int columns = Math.Min(WorkerScratch.Columns, activations.Columns - next.Column);
        int from = columns * tile / segment.TileCount, to = columns * (tile + 1) / segment.TileCount;
        int width = gate is null ? 2 : 1;
        if (pair.First.Panels is IColumns first)
            first.Prefetch(Absolute(segment, pair.First, pair.FirstPanel), width, next.Column + from, to - from);
        if (pair.Second.Panels is IColumns second && width == 1)
            second.Prefetch(Absolute(segment, pair.Second, pair.SecondPanel), width, next.Column + from, to - from);
    }

    /// <summary>Tiles of as many tokens that follow each other: the first's position.</summary>
    private readonly record struct TileRun(int First, int Tokens, int Tiles);

    /// <summary>The runs of a segment.</summary>
    private RunEnumerator Runs(Segment segment) => new(activations.Tiles, segment);

    private ref struct RunEnumerator(int* starts, Segment segment)
    {
        private readonly int end = segment.FirstTile + segment.TileCount;
        private int tile = segment.FirstTile;

        public TileRun Current { get; private set; }

        public readonly RunEnumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            if (tile == end)
                return false;
            int first = starts[tile], tokens = starts[tile + 1] - first, count = 1;
            while (tile + count < end && starts[tile + count + 1] - starts[tile + count] == tokens)
                count++;
            Current = new TileRun(first, tokens, count);
            tile += count;
            return true;
        }
    }

    private bool InBFloat16(CpuWeight.Part part) => part.Panels is PackedBFloat16s && kernels.HasBFloat16;

    /// <summary>Whether a pair's panels are multiplied together, and not one after the other as they are packed.</summary>
    private bool IsTogether(CpuWeight.PanelPair pair, bool isFew) =>
        pair.IsWhole && (!isFew || (InBFloat16(pair.First) && InBFloat16(pair.Second)) || IsScaled(pair));

    private static bool IsScaled(CpuWeight.PanelPair pair) =>
        pair.First.Panels is PackedScaledFloats first && pair.Second.Panels is PackedScaledFloats second && first.Format == second.Format;

    private void MultiplyScaledPair(CpuWeight.PanelPair pair, int column, int columns, Segment segment, int origin, float* sums)
    {
        PackedScaledFloats panels = (PackedScaledFloats)pair.First.Panels, others = (PackedScaledFloats)pair.Second.Panels;
        byte* codes = panels.Codes(Absolute(segment, pair.First, pair.FirstPanel), column);
        nint distance = (nint)(others.Codes(Absolute(segment, pair.Second, pair.SecondPanel), column) - codes);
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.ScaledFloatPair(
                panels.Format, tokens, codes, distance, activations.FloatsAt(panels, first, tokens, column), sums + (first - origin) * Panels.Height,
                columns);
        }
    }

    // These are multiplied as they are packed, in place.
    private void MultiplyBFloat16Pair(CpuWeight.PanelPair pair, int column, int columns, Segment segment, int origin, float* sums)
    {
        byte* values = BFloat16s(segment, pair.First, pair.FirstPanel, column);
        nint distance = (nint)(BFloat16s(segment, pair.Second, pair.SecondPanel, column) - values);
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.BFloat16Pair(
                tokens, values, distance, activations.PairsAt(first, tokens, column), sums + (first - origin) * Panels.Height,
                Bfloat16Pairs.Count(columns));
        }
    }

    private static byte* BFloat16s(Segment segment, CpuWeight.Part part, int panel, int column) =>
        ((PackedBFloat16s)part.Panels).Values(Absolute(segment, part, panel), column);

    private void MultiplyBFloat16s(
        PackedBFloat16s panels, int panel, int column, int columns, Segment segment, int origin, float* sums)
    {
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.BFloat16s(
                tokens, panels.Values(panel, column), activations.PairsAt(first, tokens, column),
                sums + (first - origin) * Panels.Height, Bfloat16Pairs.Count(columns));
        }
    }

    /// <summary>Panels that follow each other (more than one only of integers, and for one tile) times a segment.</summary>
    private void Multiply(Segment segment, CpuWeight.Part part, int panel, int count, WorkerScratch room, float* sums)
    {
        (int first, int last) = Positions(segment);
        int absolute = Absolute(segment, part, panel), positions = last - first;
        Clear(sums, count * positions);
        if (positions <= Kernels.PackedTokens && !InBFloat16(part) && MultiplyPacked(part, absolute, count, segment, first, sums))
            return;
        for (int i = 0; i < count; i++)
            MultiplyUnpacked(segment, part, absolute + i, room, sums + i * positions * Panels.Height);
    }

    private void MultiplyUnpacked(Segment segment, CpuWeight.Part part, int absolute, WorkerScratch room, float* sums)
    {
        int first = Positions(segment).First, columns = activations.Columns;
        if (InBFloat16(part))
        {
            for (int column = 0; column < columns; column += WorkerScratch.Columns)
            {
                int here = Math.Min(WorkerScratch.Columns, columns - column);
                MultiplyBFloat16s((PackedBFloat16s)part.Panels, absolute, column, here, segment, first, sums);
            }
            return;
        }
        // One tile needs unpacked columns once: few at a time keep them in the first-level cache. For many tiles, longer
        // stretches load and store the sums less often.
        int stretch = segment.TileCount == 1 ? Panels.Stretch : WorkerScratch.Columns;
        for (int column = 0; column < columns; column += stretch)
        {
            int here = Math.Min(stretch, columns - column);
            if (part.Panels is ScaledCodes codes)
                MultiplyCodes(codes, absolute, column, here, segment, first, room, sums);
            else if (part.Panels is IntegerPanels integers)
                MultiplyIntegers(integers, part.Kind, absolute, column, here, segment, first, room, sums);
            else
                MultiplyFloats((FloatPanels)part.Panels, absolute, column, here, segment, first, room, sums);
        }
    }

    private bool MultiplyPacked(CpuWeight.Part part, int panel, int count, Segment segment, int origin, float* segmentSums)
    {
        bool can = true;
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount && can; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            float* sums = segmentSums + (first - origin) * Panels.Height;
            for (int column = 0; column < activations.Columns && can; column += activations.Block)
            {
                int columns = Math.Min(activations.Block, activations.Columns - column);
                can = part.Panels switch
                {
                    PackedIntegers integers => kernels.Packed(
                        integers, tokens, integers.Units(panel, column), activations.QuantsAt(integers.Kind, first, tokens, column),
                        activations.NotesAt(part.Kind, integers.Kind.NotesPerGroup, first, tokens, column), sums,
                        columns / IntegerPanels.Group, count),
                    PackedPoints points => kernels.PackedPoints(
                        points, tokens, points.Units(panel, column), activations.QuantsAt(points.Kind, first, tokens, column),
                        activations.NotesAt(part.Kind, points.Kind.NotesPerGroup, first, tokens, column), sums,
                        columns / IntegerPanels.Group, count),
                    ScaledCodes codes => kernels.PackedCodes(
                        codes, Kind(codes), tokens, panel, column, activations.CodesAt(Kind(codes), first, tokens, column),
                        activations.SumsAt(codes.Kind, first, tokens, column), sums, columns / IntegerPanels.Group),
                    PackedFloats { Type: not TensorType.BF16 } floats => kernels.PackedFloats(
                        floats.Type, tokens, floats.Values(panel, column), activations.FloatsAt(floats, first, tokens, column), sums, columns),
                    PackedScaledFloats scaled => kernels.PackedScaledFloats(
                        scaled, tokens, scaled.Codes(panel, column), activations.FloatsAt(scaled, first, tokens, column), sums, columns),
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
        IntegerPanels panels, int kind, int panel, int column, int columns, Segment segment, int origin, WorkerScratch room,
        float* sums)
    {
        int groups = columns / IntegerPanels.Group;
        byte* codes = panels.Unpack(panel, column, groups, room.Codes, room.Scales);
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.Integers(
                panels.Kind, tokens, codes, room.Scales,
                activations.QuantsAt(panels.Kind, first, tokens, column),
                activations.NotesAt(kind, panels.Kind.NotesPerGroup, first, tokens, column),
                sums + (first - origin) * Panels.Height, groups);
        }
    }

    private void MultiplyCodes(
        ScaledCodes panels, int panel, int column, int columns, Segment segment, int origin, WorkerScratch room, float* sums)
    {
        CodeKind kind = Kind(panels);
        Unpack(panels, kind, panel, column, columns, room, place: 0);
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.ScaledCodes(
                kind, tokens, room.Values, room.Scales, activations.CodesAt(kind, first, tokens, column),
                activations.SumsAt(kind, first, tokens, column), sums + (first - origin) * Panels.Height, columns / IntegerPanels.Group);
        }
    }

    private void MultiplyFloats(FloatPanels panels, int panel, int column, int columns, Segment segment, int origin, WorkerScratch room,
        float* sums)
    {
        float* values = panels.Unpack(panel, column, columns, room.Values);
        for (int tile = segment.FirstTile; tile < segment.FirstTile + segment.TileCount; tile++)
        {
            int first = activations.Tiles[tile], tokens = activations.Tiles[tile + 1] - first;
            kernels.Floats(
                tokens, values, activations.FloatsAt(panels, first, tokens, column),
                sums + (first - origin) * Panels.Height, columns);
        }
    }

    // Both panels' rows of a token are neighbours: writing them together halves the memory pages that are gone through.
    private void WritePair(Segment segment, CpuWeight.PanelPair pair, float* sums, float* second)
    {
        int row = pair.FirstPanel * Panels.Height;
        if (!bias.IsEmpty || pair.First.Panels.Rows - row < 2 * Panels.Height)
        {
            Write(segment, pair.First, pair.FirstPanel, sums);
            if (pair.IsWhole)
                Write(segment, pair.Second, pair.SecondPanel, second);
            return;
        }
        (int first, int last) = Positions(segment);
        for (int position = first; position < last; position++, sums += Panels.Height, second += Panels.Height)
        {
            float* target = output.Data + (long)outputRows[position] * output.Stride + pair.First.Row + row;
            Vector512.Load(sums).Store(target);
            Vector512.Load(second).Store(target + Panels.Height);
        }
    }

    private void Write(Segment segment, CpuWeight.Part part, int panel, float* sums)
    {
        int row = panel * Panels.Height, rows = Math.Min(Panels.Height, part.Panels.Rows - row);
        float* added = bias.IsEmpty ? null : bias.Data + (long)segment.Expert * bias.Stride + part.Row + row;
        (int first, int last) = Positions(segment);
        for (int position = first; position < last; position++, sums += Panels.Height)
        {
            float* target = output.Data + (long)outputRows[position] * output.Stride + part.Row + row;
            if (added is null && rows == Panels.Height)
            {
                Vector512.Load(sums).Store(target);
                continue;
            }
            for (int r = 0; r < rows; r++)
                target[r] = added is null ? sums[r] : sums[r] + added[r];
        }
    }
}
