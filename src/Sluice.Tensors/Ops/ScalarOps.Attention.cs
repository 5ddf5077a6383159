using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors;

public sealed unsafe partial class ScalarOps
{
    /// <inheritdoc/>
    public override Tensor RopeAngles(ReadOnlySpan<int> positions, Tensor frequencies, float magnitude)
    {
        int pairs = frequencies.Columns;
        Tensor result = Allocate(positions.Length, 2 * pairs);
        for (int row = 0; row < positions.Length; row++)
        {
            for (int i = 0; i < pairs; i++)
            {
                float angle = positions[row] * frequencies[0][i];
                result[row][i] = MathF.Cos(angle) * magnitude;
                result[row][pairs + i] = MathF.Sin(angle) * magnitude;
            }
        }
        return result;
    }

    /// <inheritdoc/>
    public override void Rope(Tensor x, Tensor angles, int headDimension, RopePairing pairing, int start = 0)
    {
        int pairs = angles.Columns / 2;
        Require(x.Columns % headDimension == 0 && start + (2 * pairs) <= headDimension, $"{pairs} pairs from {start} do not fit a head of {headDimension}.");
        for (int row = 0; row < x.Rows; row++)
        {
            for (int head = 0; head < x.Columns; head += headDimension)
            {
                Span<float> values = x[row].Slice(head + start, 2 * pairs);
                for (int i = 0; i < pairs; i++)
                {
                    (int a, int b) = pairing == RopePairing.Adjacent ? (2 * i, (2 * i) + 1) : (i, pairs + i);
                    (float cos, float sin) = (angles[row][i], angles[row][pairs + i]);
                    (values[a], values[b]) = ((values[a] * cos) - (values[b] * sin), (values[a] * sin) + (values[b] * cos));
                }
            }
        }
    }

    /// <inheritdoc/>
    public override Tensor Attention(Tensor q, Tensor k, Tensor v, in AttentionSpec attention, KvLayer layer, Batch batch)
    {
        KvShape shape = layer.Store.Shape;
        Require(
            q.Columns == attention.Heads * shape.KeyDimension && k.Columns == shape.Heads * shape.KeyDimension
            && v.Columns == shape.Heads * shape.ValueDimension && attention.Heads % shape.Heads == 0,
            $"q, k, v of {q.Columns}, {k.Columns}, {v.Columns} columns do not fit {attention.Heads} heads over {shape}.");
        Tensor result = Allocate(batch.Count, attention.Heads * shape.ValueDimension);
        foreach (BatchSequence sequence in batch.Sequences)
        {
            KvWriter.Write(k, v, layer, sequence);
            int slots = sequence.Past + sequence.Count;
            float[] scores = new float[slots], keys = new float[shape.KeyDimension * KvFormat.BlockSize];
            float[] values = new float[shape.ValueDimension * KvFormat.BlockSize], query = new float[shape.KeyDimension];
            for (int row = sequence.Start; row < sequence.Start + sequence.Count; row++)
            {
                for (int head = 0; head < attention.Heads; head++)
                {
                    int kvHead = head / (attention.Heads / shape.Heads);
                    q[row].Slice(head * shape.KeyDimension, shape.KeyDimension).CopyTo(query);
                    layer.Store.Format.Rotate(query);
                    for (int slot = 0; slot < slots; slot++)
                        scores[slot] = Sees(row, slot, sequence, attention, batch) ? 0 : float.NegativeInfinity;
                    for (int tile = 0; tile < slots; tile += KvFormat.BlockSize)
                    {
                        Span<float> seen = scores.AsSpan(tile, Math.Min(KvFormat.BlockSize, slots - tile));
                        if (seen.Contains(0))
                            AddScores(query, layer, sequence, kvHead, tile, keys, attention, seen);
                    }
                    float sink = attention.SinkScores.IsEmpty ? float.NegativeInfinity : attention.SinkScores[0][head];
                    Softmax(scores, sink);
                    Span<float> output = result[row].Slice(head * shape.ValueDimension, shape.ValueDimension);
                    output.Clear();
                    for (int tile = 0; tile < slots; tile += KvFormat.BlockSize)
                    {
                        ReadOnlySpan<float> weights = scores.AsSpan(tile, Math.Min(KvFormat.BlockSize, slots - tile));
                        if (weights.ContainsAnyExcept(0f))
                            AddValues(weights, layer, sequence, kvHead, tile, values, output);
                    }
                    layer.Store.Format.RotateBack(output);
                }
            }
        }
        return result;
    }

    /// <summary>Whether a row sees a slot: within the window by position, and its own branch if the slot is of this batch.</summary>
    private static bool Sees(int row, int slot, BatchSequence sequence, in AttentionSpec attention, Batch batch)
    {
        int position = slot < sequence.Past ? slot : batch.Positions[sequence.Start + slot - sequence.Past];
        if (attention.Window > 0 && batch.Positions[row] - position >= attention.Window && position >= attention.SinkTokens)
            return false;
        if (slot < sequence.Past)
            return true;
        int ancestor = row;
        while (ancestor > sequence.Start + slot - sequence.Past)
            ancestor = batch.Parents[ancestor];
        return ancestor == sequence.Start + slot - sequence.Past;
    }

    /// <summary>Adds the scores of a tile's slots to what masks them.</summary>
    private static void AddScores(
        ReadOnlySpan<float> query, KvLayer layer, BatchSequence sequence, int kvHead, int tile, float[] keys, in AttentionSpec attention, Span<float> scores)
    {
        fixed (float* buffer = keys)
        {
            float* columns = layer.Store.Format.ReadKeys(layer.Store.KeyTile(Block(sequence, layer, tile), layer.Index, kvHead), query.Length, buffer);
            for (int slot = 0; slot < scores.Length; slot++)
            {
                if (scores[slot] != 0)
                    continue;
                float sum = 0;
                for (int d = 0; d < query.Length; d++)
                    sum = MathF.FusedMultiplyAdd(query[d], columns[(d * KvFormat.BlockSize) + slot], sum);
                sum *= attention.Scale;
                scores[slot] = attention.SoftCap > 0 ? attention.SoftCap * MathF.Tanh(sum / attention.SoftCap) : sum;
            }
        }
    }

    private static void AddValues(
        ReadOnlySpan<float> weights, KvLayer layer, BatchSequence sequence, int kvHead, int tile, float[] values, Span<float> output)
    {
        fixed (float* buffer = values)
        {
            byte* stored = layer.Store.ValueTile(Block(sequence, layer, tile), layer.Index, kvHead);
            float* rows = layer.Store.Format.ReadValues(stored, output.Length, weights.Length, buffer);
            for (int slot = 0; slot < weights.Length; slot++)
            {
                for (int d = 0; d < output.Length && weights[slot] != 0; d++)
                    output[d] += weights[slot] * rows[(slot * output.Length) + d];
            }
        }
    }

    private static int Block(BatchSequence sequence, KvLayer layer, int slot) =>
        sequence.BlockTables[layer.Store.Group][slot / KvFormat.BlockSize];

    /// <summary>Softmax in place, with one more score that has no value.</summary>
    private static void Softmax(Span<float> scores, float sink)
    {
        float max = sink;
        foreach (float score in scores)
            max = Math.Max(max, score);
        double sum = Math.Exp(sink - max);
        foreach (ref float score in scores)
        {
            score = MathF.Exp(score - max);
            sum += score;
        }
        foreach (ref float score in scores)
            score = (float)(score / sum);
    }
}
