using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors.Cpu;

// Attention: rows are written to the cache, then query tiles are attended; see AttentionJob.
public unsafe partial class CpuOps
{
    private const long WorthSharing = 1 << 20; // multiplications from which waking threads pays

    /// <inheritdoc/>
    public override Tensor Attention(Tensor q, Tensor k, Tensor v, in AttentionSpec attention, KvLayer layer, Batch batch)
    {
        KvShape shape = layer.Store.Shape;
        if (attention.Heads % shape.Heads != 0 || q.Columns != attention.Heads * shape.KeyDimension
            || k.Columns != shape.Heads * shape.KeyDimension || v.Columns != shape.Heads * shape.ValueDimension
            || q.Rows != batch.Count || k.Rows != batch.Count || v.Rows != batch.Count)
        {
            throw new ArgumentException(
                $"q, k, v of {q.Columns}, {k.Columns}, {v.Columns} columns and {q.Rows}, {k.Rows}, {v.Rows} rows do not fit "
                + $"{attention.Heads} heads over {shape} and {batch.Count} tokens.");
        }
        Tensor result = Allocate(batch.Count, attention.Heads * shape.ValueDimension);
        using ScratchScope scope = Scratch();
        WriteCache(k, v, layer, batch);
        fixed (int* positions = batch.Positions)
            Attend(q, attention, layer, batch, positions, result);
        return result;
    }

    private void Attend(Tensor q, in AttentionSpec attention, KvLayer layer, Batch batch, int* positions, Tensor result)
    {
        KvShape shape = layer.Store.Shape;
        SlotMask* masks = Masks(attention, batch, positions);
        (int tiles, int parts) = PlanTiles(attention, layer, batch, masks, null, out long work);
        QueryTile* plan = (QueryTile*)AllocateBytes((long)tiles * sizeof(QueryTile));
        PlanTiles(attention, layer, batch, masks, plan, out _);

        bool share = Pool.Threads > 1 && work >= WorthSharing;
        bool split = share && tiles < 4 * Pool.Threads && parts > tiles;
        var items = ((int Tile, int Part, long State)*)AllocateBytes(split ? (long)parts * sizeof((int, int, long)) : 0);
        long floats = split ? PlanParts(plan, tiles, shape, items) : 0;
        long scratch = AttentionJob.ScratchFloats(shape) * (share ? Pool.Threads : 1);
        AttentionJob job = new()
        {
            Q = q,
            Result = result,
            Spec = attention,
            Layer = layer,
            Batch = batch,
            Masks = masks,
            Tiles = plan,
            Parts = items,
            Partials = (float*)AllocateBytes(floats * sizeof(float)),
            Scratch = (float*)AllocateBytes(scratch * sizeof(float)),
        };
        if (!share)
        {
            job.Run(0, tiles, worker: 0);
        }
        else if (!split)
        {
            Pool.For(tiles, job, chunkSize: 1);
        }
        else
        {
            Pool.For(parts, job with { Step = AttentionJob.Phase.Parts }, chunkSize: 1);
            Pool.For(tiles, job with { Step = AttentionJob.Phase.Merge }, chunkSize: 1);
        }
    }

    private SlotMask* Masks(in AttentionSpec attention, Batch batch, int* positions)
    {
        ReadOnlySpan<BatchSequence> sequences = batch.Sequences;
        SlotMask* masks = (SlotMask*)AllocateBytes((long)sequences.Length * sizeof(SlotMask));
        for (int i = 0; i < sequences.Length; i++)
        {
            uint* memory = (uint*)AllocateBytes((long)SlotMask.TreeWords(sequences[i]) * sizeof(uint));
            masks[i] = new SlotMask(batch, sequences[i], attention, positions + sequences[i].Start, memory);
        }
        return masks;
    }

    /// <summary>Counts the query tiles and their parts, and writes the tiles where there is memory: the longest of a sequence first.</summary>
    private static (int Tiles, int Parts) PlanTiles(
        in AttentionSpec attention, KvLayer layer, Batch batch, SlotMask* masks, QueryTile* plan, out long work)
    {
        KvShape shape = layer.Store.Shape;
        int group = attention.Heads / shape.Heads, tiles = 0, parts = 0;
        work = 0;
        for (int i = 0; i < batch.Sequences.Length; i++)
        {
            int pairs = batch.Sequences[i].Count * group;
            for (int first = (pairs - 1) / QueryTile.MaxPairs * QueryTile.MaxPairs; first >= 0 && pairs > 0; first -= QueryTile.MaxPairs)
            {
                int count = Math.Min(QueryTile.MaxPairs, pairs - first);
                TileRange range = masks[i].Range(first / group, (first + count - 1) / group);
                int slots = (range.SinkEnd + range.End - range.Start) * KvFormat.BlockSize;
                int partsOfTile = 0;
                for (int part = AttentionJob.NextPart(range, 0); part < AttentionJob.PartCount(range); part = AttentionJob.NextPart(range, part + 1))
                    partsOfTile++;
                for (int head = 0; head < shape.Heads; head++, tiles++)
                {
                    if (plan is not null)
                        plan[tiles] = new QueryTile { Sequence = i, Head = head, First = first, Pairs = count, Range = range };
                    parts += partsOfTile;
                    work += slots * ((long)shape.KeyDimension + shape.ValueDimension) * (count + 4); // unpacking counts as some rows
                }
            }
        }
        return (tiles, parts);
    }

    /// <summary>Lists the parts and places their states.</summary>
    /// <returns>The floats of all states.</returns>
    private static long PlanParts(QueryTile* plan, int tiles, KvShape shape, (int Tile, int Part, long State)* items)
    {
        long floats = 0;
        for (int tile = 0; tile < tiles; tile++)
        {
            TileRange range = plan[tile].Range;
            plan[tile].Partial = floats;
            for (int part = AttentionJob.NextPart(range, 0); part < AttentionJob.PartCount(range); part = AttentionJob.NextPart(range, part + 1))
            {
                *items++ = (tile, part, floats);
                floats += SoftmaxState.Floats(plan[tile].Rows, shape.ValueDimension);
            }
        }
        return floats;
    }

    /// <summary>Writes the new rows; an item is one head's rows of one block, so that no two threads write to a tile.</summary>
    private void WriteCache(Tensor k, Tensor v, KvLayer layer, Batch batch)
    {
        int blocks = 0;
        foreach (ref readonly BatchSequence sequence in batch.Sequences)
        {
            for (int row = 0; row < sequence.Count; row = BlockEnd(sequence, row))
                blocks++;
        }
        var items = ((int Sequence, int First)*)AllocateBytes((long)blocks * sizeof((int, int)));
        int item = 0;
        for (int i = 0; i < batch.Sequences.Length; i++)
        {
            for (int row = 0; row < batch.Sequences[i].Count; row = BlockEnd(batch.Sequences[i], row))
                items[item++] = (i, row);
        }
        long work = 4L * k.Rows * (k.Columns + v.Columns); // scattered writes
        Elementwise.For(Pool, blocks * layer.Store.Shape.Heads, work, new WriteJob(k, v, layer, batch, items));
    }

    /// <summary>The row after those that go into the same block as this one.</summary>
    private static int BlockEnd(in BatchSequence sequence, int row) =>
        Math.Min(sequence.Count, ((((sequence.Past + row) / KvFormat.BlockSize) + 1) * KvFormat.BlockSize) - sequence.Past);

    private readonly struct WriteJob(Tensor k, Tensor v, KvLayer layer, Batch batch, (int Sequence, int First)* items) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            int heads = layer.Store.Shape.Heads;
            for (int i = start; i < end; i++)
            {
                (int index, int first) = items[i / heads];
                BatchSequence sequence = batch.Sequences[index];
                KvWriter.Write(k, v, layer, sequence, i % heads, first, BlockEnd(sequence, first));
            }
        }
    }
}
