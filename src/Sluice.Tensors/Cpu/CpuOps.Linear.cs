using System.Runtime.InteropServices;

namespace Sluice.Tensors.Cpu;

public unsafe partial class CpuOps
{
    /// <summary>Up to so many tokens, columns of the weights that meet zeros are left unread; measured (docs/decisions.md).</summary>
    private const int MostSkipping = 8, MostSkippingFloats = 16;

    private readonly Kernels kernels;
    private readonly List<CpuWeight> weights = [];
    private readonly WorkerScratch[] scratch;
    private readonly CpuOps? owner; // of the weights, if another
    private int borrowed; // how many of its weights were loaded here

    /// <inheritdoc/>
    public override Weight LoadWeight(params ReadOnlySpan<WeightData> parts)
    {
        int columns = JoinedColumns(parts);
        if (owner is not null)
            return Borrow(columns, parts);
        Panels[] packed = new Panels[parts.Length];
        CpuWeight.Inputs[] inputs = new CpuWeight.Inputs[parts.Length];
        bool inColumns = true;
        foreach (WeightData part in parts)
            inColumns &= part.Threshold > 0 && part.ZeroShare >= IColumns.LeastShare && Panels.FitsColumns(part.Format, Activations);
        try
        {
            for (int i = 0; i < packed.Length; i++)
            {
                packed[i] = Panels.Load(parts[i], Pool, Activations, inColumns);
                inputs[i] = new CpuWeight.Inputs(parts[i], Activations);
            }
            CpuWeight weight = new(columns, packed, inputs);
            weights.Add(weight);
            return weight;
        }
        catch
        {
            foreach (Panels? part in packed)
                part?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Unload(Weight weight)
    {
        if (weight is CpuWeight loaded && weights.Remove(loaded))
            loaded.Dispose();
    }

    /// <summary>The owner's next weight, which is the same one where both load the same model.</summary>
    private CpuWeight Borrow(int columns, ReadOnlySpan<WeightData> parts)
    {
        int rows = 0;
        foreach (WeightData part in parts)
            rows += part.Rows;
        CpuWeight? weight = borrowed < owner!.weights.Count ? owner.weights[borrowed++] : null;
        return weight is not null && weight.Rows == rows && weight.Columns == columns && weight.Experts == parts[0].Experts
            ? weight
            : throw new InvalidOperationException($"{parts[0].Name} is not the weight that was loaded in its place before.");
    }

    /// <inheritdoc/>
    protected override Tensor Multiply(Tensor x, Weight weight, Tensor bias = default)
    {
        CpuWeight loaded = (CpuWeight)weight;
        CheckWidth(x, loaded);
        Tensor result = Allocate(x.Rows, loaded.Rows);
        int row = 0;
        foreach (CpuWeight part in loaded.ByInputs)
        {
            Tensor partBias = bias.IsEmpty ? bias : bias.ColumnRange(row, part.Rows);
            Multiply(x, part, partBias, gate: null, result.ColumnRange(row, part.Rows));
            row += part.Rows;
        }
        return result;
    }

    /// <inheritdoc/>
    protected override Tensor MultiplyGated(Activation activation, Tensor x, Weight weight)
    {
        CpuWeight loaded = (CpuWeight)weight;
        if (!loaded.HasHalves || Skips(loaded, x.Rows, 1))
            return base.MultiplyGated(activation, x, weight);
        CheckWidth(x, loaded);
        Tensor result = Allocate(x.Rows, loaded.Rows / 2);
        Multiply(x, loaded, default, activation, result);
        return result;
    }

    private void Multiply(Tensor x, CpuWeight loaded, Tensor bias, Activation? gate, Tensor result)
    {
        if (x.Rows == 0)
            return;
        using ScratchScope scope = Scratch();
        int* rows = AllocateInts(x.Rows);
        for (int i = 0; i < x.Rows; i++)
            rows[i] = i;
        bool skips = Skips(loaded, x.Rows, 1), inPairs = !skips && InPairs(loaded, x.Rows, 1);
        int size = skips ? 1 : TileSize(loaded, inPairs), tiles = (x.Rows + size - 1) / size;
        int* tileStarts = AllocateInts(tiles + 1);
        for (int i = 0; i <= tiles; i++)
            tileStarts[i] = Math.Min(i * size, x.Rows);
        // Segments as long as may be, for that is how often a panel is unpacked; but enough of them for all threads.
        int perSegment = skips ? tiles : WorkerScratch.Tokens / size;
        while (!skips && perSegment > 4 && loaded.PanelsPerExpert * ((tiles + perSegment - 1) / perSegment) < 4 * Pool.Threads)
            perSegment /= 2;
        int count = (tiles + perSegment - 1) / perSegment;
        Segment* segments = (Segment*)AllocateBytes((long)count * sizeof(Segment));
        for (int i = 0; i < count; i++)
            segments[i] = new Segment(0, i * perSegment, Math.Min(perSegment, tiles - i * perSegment));
        Multiply(x, loaded, bias, rows, rows, tileStarts, tiles, segments, count, inPairs, skips, gate, result);
    }

    /// <inheritdoc/>
    public override Tensor ExpertLinear(Tensor x, Weight weight, in Routing routing, Tensor bias = default)
    {
        CpuWeight loaded = (CpuWeight)weight;
        CheckWidth(x, loaded);
        int pairs = routing.Rows * routing.Used;
        if (x.Rows != routing.Rows && x.Rows != pairs)
            throw new ArgumentException($"{x.Rows} rows for {routing.Rows} routed ones with {routing.Used} experts each.");
        Tensor result = Allocate(pairs, loaded.Rows);
        int row = 0;
        foreach (CpuWeight part in loaded.ByInputs)
        {
            Tensor partBias = bias.IsEmpty ? bias : bias.ColumnRange(row, part.Rows);
            MultiplyExperts(x, part, routing, partBias, result.ColumnRange(row, part.Rows));
            row += part.Rows;
        }
        return result;
    }

    private void MultiplyExperts(Tensor x, CpuWeight loaded, in Routing routing, Tensor bias, Tensor result)
    {
        int pairs = routing.Rows * routing.Used, experts = loaded.Experts;
        if (pairs == 0)
            return;
        using ScratchScope scope = Scratch();
        // Count the pairs of each expert, then place them, expert by expert.
        int* ends = AllocateInts(experts);
        new Span<int>(ends, experts).Clear();
        for (int pair = 0; pair < pairs; pair++)
        {
            int expert = routing.Experts[pair];
            if ((uint)expert >= (uint)experts)
                throw new ArgumentException($"{loaded.Name} has {experts} experts; number {expert} was chosen.");
            ends[expert]++;
        }
        int active = 0;
        for (int expert = 0; expert < experts; expert++)
            active += Math.Min(ends[expert], 1);
        bool skips = Skips(loaded, pairs, active), inPairs = !skips && InPairs(loaded, pairs, active);
        int size = skips ? 1 : TileSize(loaded, inPairs);
        int* tileStarts = AllocateInts(pairs + 1);
        Segment* segments = (Segment*)AllocateBytes((long)pairs * sizeof(Segment));
        int tiles = 0, count = 0, position = 0;
        for (int expert = 0; expert < experts; expert++)
        {
            int last = position + ends[expert];
            ends[expert] = position;
            while (position < last)
            {
                int segmentEnd = Math.Min(position + WorkerScratch.Tokens, last), firstTile = tiles;
                for (; position < segmentEnd; position = Math.Min(position + size, segmentEnd))
                    tileStarts[tiles++] = position;
                segments[count++] = new Segment(expert, firstTile, tiles - firstTile);
            }
        }
        tileStarts[tiles] = pairs;
        int* inputRows = AllocateInts(pairs);
        int* outputRows = AllocateInts(pairs);
        for (int pair = 0; pair < pairs; pair++)
        {
            int at = ends[routing.Experts[pair]]++;
            inputRows[at] = x.Rows == pairs ? pair : pair / routing.Used;
            outputRows[at] = pair;
        }
        Multiply(x, loaded, bias, inputRows, outputRows, tileStarts, tiles, segments, count, inPairs, skips, gate: null, result);
    }

    private void Multiply(
        Tensor x, CpuWeight weight, Tensor bias, int* inputRows, int* outputRows, int* tileStarts, int tiles,
        Segment* segments, int segmentCount, bool inPairs, bool skips, Activation? gate, Tensor result)
    {
        long positions = tileStarts[tiles];
        Activations activations = new() { Input = x, Rows = inputRows, Tiles = tileStarts, TileCount = tiles };
        activations.ByToken = inPairs && InTiles(weight);
        CpuWeight.Inputs changes = weight.Changes;
        if (changes.Order is { } order)
            activations.Orders = Orders(order, x.Columns, tiles, segments, segmentCount);
        (activations.Rotates, activations.Threshold, activations.Range) = (changes.IsRotated, changes.Threshold, changes.Range);
        if (!changes.IsNothing)
            activations.Changed = AllocateFloats(positions * x.Columns);
        activations.Block = inPairs ? WorkerScratch.Columns : x.Columns;
        activations.Precision = Activations.Dynamic();
        long values = positions * x.Columns;
        if (weight.HasFloats)
            activations.Floats = AllocateFloats(values);
        bool isFp8 = activations.Precision == ActivationPrecision.FP8;
        if (isFp8)
            activations.TokenScales = AllocateFloats(positions);
        if (isFp8 || (weight.HasFloats && Activations is not (ActivationPrecision.Auto or ActivationPrecision.F32)))
            activations.Float = AllocateFloats(values);
        if (weight.HasBFloat16s && kernels.HasBFloat16)
            activations.Pairs = (uint*)AllocateBytes(positions * Bfloat16Pairs.Count(x.Columns) * sizeof(uint));
        else if (weight.HasBFloat16s || weight.HasSingleCodes)
            activations.Rounded = AllocateFloats(values);
        if (weight.HasSums)
            activations.Sums = AllocateFloats(values / IntegerPanels.Group);
        if (weight.HasHalfSums)
            activations.HalfSums = AllocateFloats(2 * values / IntegerPanels.Group);
        if (Array.Exists(weight.Kinds, kind => !kind.HasWideScale))
            activations.Quants = (sbyte*)AllocateBytes(positions * x.Columns);
        if (Array.Exists(weight.Kinds, kind => kind.HasWideScale))
            activations.WideQuants = (sbyte*)AllocateBytes(positions * x.Columns);
        for (int i = 0; i < weight.Kinds.Length; i++)
        {
            long notes = positions * (x.Columns / IntegerPanels.Group) * weight.Kinds[i].NotesPerGroup;
            activations.Notes[i] = (long)AllocateBytes(notes * sizeof(float));
        }
        if (skips)
        {
            MultiplySkipping(weight, activations, bias, outputRows, segments, segmentCount, result);
            return;
        }
        Pool.For(tiles, new ArrangeJob(activations, weight));
        // Several pairs an item, but enough items that all threads end together; of few tokens one, whose weights are read in order. In
        // columns they are unpacked several at a time.
        int perItem = !inPairs ? 0
            : positions <= (long)Kernels.PackedTokens * segmentCount && !weight.IsInColumns ? 1
            : Math.Clamp(weight.PairsPerExpert * segmentCount / (8 * Pool.Threads), 1, WorkerScratch.Pairs);
        if (weight.IsInColumns && perItem == 3)
            perItem = 2;
        LinearJob job = new(kernels, weight, activations, segments, outputRows, result, bias, gate, scratch, perItem);
        Pool.For(checked(job.Items * segmentCount), job);
    }

    /// <summary>The order of each tile's inputs: that of its expert.</summary>
    private int** Orders(int[] order, int columns, int tiles, Segment* segments, int segmentCount)
    {
        int** orders = (int**)AllocateBytes((long)tiles * sizeof(int*));
        for (int i = 0; i < segmentCount; i++)
        {
            int* own = (int*)Marshal.UnsafeAddrOfPinnedArrayElement(order, segments[i].Expert * columns);
            new Span<nint>(orders + segments[i].FirstTile, segments[i].TileCount).Fill((nint)own);
        }
        return orders;
    }

    /// <summary>Multiplies, and leaves unread the columns of the weight that meet zeros. Tiles are of one token.</summary>
    private void MultiplySkipping(
        CpuWeight weight, in Activations activations, Tensor bias, int* outputRows, Segment* segments, int segmentCount, Tensor result)
    {
        long values = (long)activations.Positions * activations.Columns;
        ActiveColumns active = new() { Columns = activations.Columns };
        for (int i = 0; i < weight.Kinds.Length; i++)
        {
            active.Quants[i] = (long)AllocateBytes(values);
            active.Places[i] = (long)AllocateBytes(values);
            active.Counts[i] = (long)AllocateBytes((long)activations.Positions * active.Groups * weight.Kinds[i].Parts);
        }
        if (weight.HasFloats)
        {
            active.FloatColumns = (int*)AllocateBytes(values * sizeof(int));
            active.Floats = (float*)AllocateBytes(values * sizeof(float));
            active.FloatCounts = (int*)AllocateBytes((long)activations.Positions * (active.Groups + 1) * sizeof(int));
        }
        Pool.For(activations.Positions, new ActiveJob(activations, active, weight));
        float* sums = (float*)AllocateBytes((long)activations.Positions * SkippingJob.BlocksOf(weight) * IColumns.BlockRows * sizeof(float));
        SkippingJob job = new(kernels, weight, activations, active, segments, outputRows, result, bias, sums, scratch);
        Pool.For(checked(job.Items * segmentCount), job);
    }

    // Of more tokens nearly every column is wanted by one of them, and unpacking all is faster.
    private static bool Skips(CpuWeight weight, int positions, int experts) =>
        weight.CanSkip && positions <= (weight.HasFloats ? MostSkippingFloats : MostSkipping) * experts;

    /// <summary>Whether panels are multiplied two at a time: not where most experts have few rows, to which they go as they are packed.</summary>
    private bool InPairs(CpuWeight weight, int positions, int experts) =>
        kernels.HasPairs && (positions > (long)Kernels.PackedTokens * experts || weight.IsInColumns || InBFloat16(weight) || weight.IsScaledFloats);

    private int TileSize(CpuWeight weight, bool inPairs) => !inPairs || InBFloat16(weight) ? Kernels.MaxTokens
        : InTiles(weight) ? AmxKernels.MaxTokens : Kernels.PairTokens;

    private bool InTiles(CpuWeight weight) => kernels.HasTiles && weight.IsPairsOfIntegers;

    // These kernels need no unpacking and have registers to spare.
    private bool InBFloat16(CpuWeight weight) =>
        kernels.HasBFloat16 && weight.IsBFloat16s;

    private float* AllocateFloats(long count) => (float*)AllocateBytes(count * sizeof(float));

    private int* AllocateInts(int count) => (int*)AllocateBytes((long)count * sizeof(int));

    private static void CheckWidth(Tensor x, CpuWeight weight)
    {
        if (x.Columns != weight.Columns)
            throw new ArgumentException($"{weight.Name} takes {weight.Columns} values; rows have {x.Columns}.");
    }
}
