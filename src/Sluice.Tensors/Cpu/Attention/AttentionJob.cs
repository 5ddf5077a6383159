using Sluice.Tensors.Formats;
using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors.Cpu;

/// <summary>Some query rows of one sequence that share a key-value head: (token, head) pairs, counted token by token.</summary>
internal struct QueryTile
{
    /// <summary>The most pairs: enough to pay for unpacking a tile of keys and values, and their state fits the L2 cache.</summary>
    public const int MaxPairs = 64;

    public int Sequence, Head, First, Pairs;

    /// <summary>What is seen.</summary>
    public TileRange Range;

    /// <summary>Where the states of its parts begin, if they are computed at once: floats from <see cref="AttentionJob.Partials"/>.</summary>
    public long Partial;

    /// <summary>The rows of its states: whole blocks of <see cref="RowProducts"/>.</summary>
    public readonly int Rows => (Pairs + RowProducts.MaxRows - 1) / RowProducts.MaxRows * RowProducts.MaxRows;
}

/// <summary>
/// Flash attention (Dao et al. 2022) over paged tiles: for each query tile the keys and values of the sequence, 32 slots at a
/// time; those of formats that products cannot read in place are unpacked once for all its rows.
/// </summary>
/// <remarks>
/// A row's result must not depend on how work is split. So a sequence is always cut into the same parts of
/// <see cref="PartSlots"/> slots; each part has a softmax of its own, in the order of slots, and parts are merged in order.
/// Whether one thread does all parts of a tile in turn, or several do them at once (flash decoding), is then only a question
/// of where the states are.
/// </remarks>
internal readonly unsafe struct AttentionJob : IParallelJob
{
    /// <summary>Slots of a part.</summary>
    public const int PartSlots = 512;

    private const int PartTiles = PartSlots / KvFormat.BlockSize;

    /// <summary>What is done with each item.</summary>
    public enum Phase
    {
        /// <summary>An item is a query tile with all its parts.</summary>
        Whole,

        /// <summary>An item is one part of a query tile.</summary>
        Parts,

        /// <summary>An item is a query tile whose parts are merged.</summary>
        Merge,
    }

    public required Tensor Q { get; init; }

    public required Tensor Result { get; init; }

    public required AttentionSpec Spec { get; init; }

    public required KvLayer Layer { get; init; }

    public required Batch Batch { get; init; }

    public Phase Step { get; init; }

    /// <summary>The masks of each sequence.</summary>
    public required SlotMask* Masks { get; init; }

    public required QueryTile* Tiles { get; init; }

    /// <summary>The states of parts.</summary>
    public required float* Partials { get; init; }

    /// <summary>The query tile, the part and its state, for each item of <see cref="Phase.Parts"/>.</summary>
    public required (int Tile, int Part, long State)* Parts { get; init; }

    /// <summary>Scratch memory of each thread: <see cref="ScratchFloats"/> floats.</summary>
    public required float* Scratch { get; init; }

    private KvShape Shape => Layer.Store.Shape;

    /// <summary>What tiles are multiplied as: in place where that can be, else unpacked.</summary>
    private TensorType Cell => RowProducts.CanRead(Layer.Store.Format.Cell) ? Layer.Store.Format.Cell : TensorType.F32;

    private int Group => Spec.Heads / Shape.Heads;

    /// <summary>The first part at or after this one that a tile sees; <see cref="PartCount"/> where there is none.</summary>
    public static int NextPart(in TileRange range, int part) =>
        Math.Max(part, range.Next(part * PartTiles) / PartTiles);

    /// <summary>The parts up to the last that a tile sees.</summary>
    public static int PartCount(in TileRange range) => (range.End + PartTiles - 1) / PartTiles;

    /// <summary>Floats of scratch memory for a thread: two states, unpacked keys and values, scores, queries.</summary>
    public static long ScratchFloats(KvShape shape) =>
        (2 * SoftmaxState.Floats(QueryTile.MaxPairs, shape.ValueDimension))
        + (KvFormat.BlockSize * ((long)shape.KeyDimension + shape.ValueDimension + 8))
        + ((QueryTile.MaxPairs * (long)shape.KeyDimension + 15) / 16 * 16);

    public void Run(int start, int end, int worker)
    {
        float* scratch = Scratch + (worker * ScratchFloats(Shape));
        long stateFloats = SoftmaxState.Floats(QueryTile.MaxPairs, Shape.ValueDimension);
        float* buffers = scratch + (2 * stateFloats);
        for (int item = start; item < end; item++)
        {
            if (Step == Phase.Parts)
            {
                (int index, int part, long state) = Parts[item];
                Attend(Tiles[index], part, new SoftmaxState(Partials + state, Tiles[index].Rows), buffers);
                continue;
            }
            ref QueryTile tile = ref Tiles[item];
            SoftmaxState total = new(scratch, tile.Rows), own = new(scratch + stateFloats, tile.Rows);
            total.Clear(tile.Rows, Shape.ValueDimension);
            float* partial = Partials + tile.Partial;
            for (int part = NextPart(tile.Range, 0); part < PartCount(tile.Range); part = NextPart(tile.Range, part + 1))
            {
                SoftmaxState state = Step == Phase.Merge ? new SoftmaxState(partial, tile.Rows) : own;
                partial += SoftmaxState.Floats(tile.Rows, Shape.ValueDimension);
                if (Step == Phase.Whole)
                    Attend(tile, part, own, buffers);
                for (int pair = 0; pair < tile.Pairs; pair++)
                    total.Merge(pair, state, Shape.ValueDimension);
            }
            Finish(tile, total);
        }
    }

    /// <summary>The state of one part of the sequence.</summary>
    private void Attend(in QueryTile tile, int part, in SoftmaxState state, float* buffers)
    {
        (KvStore store, KvShape shape) = (Layer.Store, Shape);
        float* keyBuffer = buffers, valueBuffer = keyBuffer + (KvFormat.BlockSize * shape.KeyDimension);
        float* scores = valueBuffer + (KvFormat.BlockSize * shape.ValueDimension);
        int rows = tile.Rows;
        state.Clear(rows, shape.ValueDimension);
        float* queries = scores + (RowProducts.MaxRows * KvFormat.BlockSize);
        for (int pair = 0; pair < rows; pair++)
        {
            // Side by side: rows of a batch are often a multiple of 4 KiB apart, and so would crowd few sets of the L1 cache.
            float* query = queries + (pair * shape.KeyDimension), from = Query(tile, Math.Min(pair, tile.Pairs - 1));
            Elementwise.Map(new Functions.Times(Spec.Scale), from, from, query, shape.KeyDimension);
            store.Format.Rotate(new Span<float>(query, shape.KeyDimension));
        }

        BatchSequence sequence = Batch.Sequences[tile.Sequence];
        int[] blocks = sequence.BlockTables[store.Group];
        int slots = sequence.Past + sequence.Count;
        int last = Math.Min(tile.Range.End, (part + 1) * PartTiles);
        for (int t = tile.Range.Next(part * PartTiles); t < last; t = tile.Range.Next(t + 1))
        {
            int next = tile.Range.Next(t + 1);
            RowProducts.Fetch nextKeys = default, nextValues = default;
            if (next < last)
            {
                nextKeys = new(store.KeyTile(blocks[next], Layer.Index, tile.Head), store.Format.TileBytes(shape.KeyDimension) / shape.KeyDimension);
                nextValues = new(store.ValueTile(blocks[next], Layer.Index, tile.Head), store.Format.TileBytes(shape.ValueDimension) / shape.ValueDimension);
            }
            int depth = Math.Min(KvFormat.BlockSize, slots - (t * KvFormat.BlockSize));
            void* keys = store.KeyTile(blocks[t], Layer.Index, tile.Head), values = store.ValueTile(blocks[t], Layer.Index, tile.Head);
            if (Cell == TensorType.F32)
            {
                keys = store.Format.ReadKeys((byte*)keys, shape.KeyDimension, keyBuffer);
                values = store.Format.ReadValues((byte*)values, shape.ValueDimension, depth, valueBuffer);
            }
            for (int pair = 0; pair < tile.Pairs; pair += RowProducts.MaxRows, nextKeys = nextValues = default)
                AttendRows(tile, t, pair, queries + (pair * shape.KeyDimension), keys, values, depth, scores, state, nextKeys, nextValues);
        }
    }

    /// <summary>A few rows against a tile of keys and values.</summary>
    private void AttendRows(
        in QueryTile tile, int t, int first, float* queries, void* keys, void* values, int depth, float* scores, in SoftmaxState state,
        RowProducts.Fetch nextKeys, RowProducts.Fetch nextValues)
    {
        int rows = Math.Min(RowProducts.MaxRows, tile.Pairs - first), block = RowProducts.BlockRows(rows);
        uint* visible = stackalloc uint[RowProducts.MaxRows];
        uint any = uint.MaxValue;
        new Span<uint>(visible, RowProducts.MaxRows).Fill(any);
        if (!tile.Range.IsWhole(t))
        {
            any = 0;
            for (int i = 0; i < rows; i++)
                any |= visible[i] = Masks[tile.Sequence].Visible((tile.First + first + i) / Group, t);
        }
        if (any == 0)
            return;

        RowProducts.Multiply(
            block, queries, Shape.KeyDimension, Shape.KeyDimension, keys, Cell, KvFormat.BlockSize, scores, factors: null, nextKeys);
        float* factors = stackalloc float[RowProducts.MaxRows];
        // The rows that fill up the block repeat its last query, and nothing reads their state.
        state.Add(first, block, scores, visible, Spec.SoftCap, factors);
        float* sums = state.Values + ((long)first * Shape.ValueDimension);
        RowProducts.Multiply(block, scores, KvFormat.BlockSize, depth, values, Cell, Shape.ValueDimension, sums, factors, nextValues);
    }

    private void Finish(in QueryTile tile, in SoftmaxState state)
    {
        for (int pair = 0; pair < tile.Pairs; pair++)
        {
            (int row, int head) = Place(tile, pair);
            float sink = Spec.SinkScores.IsEmpty ? float.NegativeInfinity : Spec.SinkScores.Data[head];
            float* result = Result.Data + ((long)row * Result.Stride) + ((long)head * Shape.ValueDimension);
            state.Finish(pair, sink, result, Shape.ValueDimension);
            Layer.Store.Format.RotateBack(new Span<float>(result, Shape.ValueDimension));
        }
    }

    private float* Query(in QueryTile tile, int pair)
    {
        (int row, int head) = Place(tile, pair);
        return Q.Data + ((long)row * Q.Stride) + ((long)head * Shape.KeyDimension);
    }

    /// <summary>The batch row and the query head of a pair.</summary>
    private (int Row, int Head) Place(in QueryTile tile, int pair)
    {
        (int token, int head) = Math.DivRem(tile.First + pair, Group);
        return (Batch.Sequences[tile.Sequence].Start + token, (tile.Head * Group) + head);
    }
}
