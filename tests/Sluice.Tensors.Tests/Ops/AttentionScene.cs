using System.Runtime.InteropServices;
using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors;

/// <summary>The shape of an attention layer and of the sequences that go through it.</summary>
internal sealed record AttentionScene
{
    public required int KvHeads { get; init; }

    public required int Group { get; init; }

    public required int KeyDimension { get; init; }

    public required int ValueDimension { get; init; }

    public required int[] Lengths { get; init; }

    public string Format { get; init; } = "f32";

    public int Window { get; init; }

    public int SinkTokens { get; init; }

    public bool SinkScores { get; init; }

    public float SoftCap { get; init; }

    public int Seed { get; init; } = 1;

    public int Heads => KvHeads * Group;

    public KvShape Shape => new(2, KvHeads, KeyDimension, ValueDimension);

    public override string ToString() =>
        $"{Format} {KvHeads}x{Group} heads of {KeyDimension}/{ValueDimension}, lengths {string.Join(' ', Lengths)}, window {Window}+{SinkTokens}, "
        + $"sink scores {SinkScores}, cap {SoftCap}, seed {Seed}";
}

/// <summary>A scene's tokens and cache for one <see cref="Ops"/>, with a block table in random order for each sequence.</summary>
internal sealed unsafe class AttentionRun : IDisposable
{
    private const int Block = KvFormat.BlockSize;
    private readonly AttentionScene _scene;
    private readonly Sluice.Tensors.Ops _ops;
    private readonly KvStore _store;
    private readonly GuardedTensors _memory = new();
    private readonly int[][][] _tables;
    private readonly int[] _past;
    private readonly Tensor[] _q, _k, _v;
    private readonly Tensor _sinks;

    public AttentionRun(AttentionScene scene, Sluice.Tensors.Ops ops)
    {
        (_scene, _ops) = (scene, ops);
        Random random = new(scene.Seed);
        int[] blocks = [.. scene.Lengths.Select(length => (length + Block - 1) / Block)];
        _store = new KvStore(KvFormats.KvFormats.Get(scene.Format), 0, scene.Shape, blocks.Sum() + 1);
        // Memory that another request left: not a number.
        long bytes = KvStore.BlockBytes(_store.Format, scene.Shape);
        for (int block = 0; block <= blocks.Sum(); block++)
            new Span<byte>(_store.KeyTile(block, 0, 0), (int)bytes).Fill(0xFF);
        int[] order = [.. Enumerable.Range(0, blocks.Sum()).OrderBy(_ => random.Next())];
        _tables = [.. blocks.Select((count, i) => new[] { order.AsSpan(blocks.Take(i).Sum(), count).ToArray() })];
        _past = new int[scene.Lengths.Length];
        _q = [.. scene.Lengths.Select(length => _memory.Random(random, length, scene.Heads * scene.KeyDimension, 2))];
        _k = [.. scene.Lengths.Select(length => _memory.Random(random, length, scene.KvHeads * scene.KeyDimension, 2))];
        _v = [.. scene.Lengths.Select(length => _memory.Random(random, length, scene.KvHeads * scene.ValueDimension))];
        _sinks = scene.SinkScores ? _memory.Random(random, 1, scene.Heads) : default;
        Results = [.. scene.Lengths.Select(length => _memory.Create(length, scene.Heads * scene.ValueDimension))];
    }

    /// <summary>The outputs of each sequence's tokens, where they have been computed.</summary>
    public Tensor[] Results { get; }

    /// <summary>The tokens in a sequence's cache.</summary>
    public int Past(int sequence) => _past[sequence];

    /// <summary>Computes all, with at most so many tokens of each sequence in a batch.</summary>
    public AttentionRun All(int chunk)
    {
        while (Enumerable.Range(0, _past.Length).Any(i => _past[i] < _scene.Lengths[i]))
            Step([.. _scene.Lengths.Select((length, i) => (i, Math.Min(chunk, length - _past[i]))).Where(next => next.Item2 > 0)]);
        return this;
    }

    /// <summary>One batch: the next tokens of some sequences; with parents (within the sequence's rows, or -1) they are a tree.</summary>
    public void Step((int Sequence, int Count)[] next, int[]? parents = null)
    {
        Batch batch = new();
        foreach ((int sequence, int count) in next)
        {
            int start = batch.Count;
            if (_scene.Window > 0)
            {
                for (int block = 0; (block + 1) * Block <= _past[sequence] - _scene.Window + 1; block++)
                {
                    if (block * Block >= _scene.SinkTokens)
                        _tables[sequence][0][block] = -1; // out of the window: given back
                }
            }
            batch.BeginSequence(_past[sequence], _tables[sequence]);
            for (int i = 0; i < count; i++)
                batch.AddChild(0, parents is null ? (i == 0 ? -1 : start + i - 1) : parents[i] == -1 ? -1 : start + parents[i], wantOutput: true);
        }
        int total = batch.Count;
        using GuardedTensors inputs = new();
        Tensor bq = Collect(inputs, _q, next, total), bk = Collect(inputs, _k, next, total), bv = Collect(inputs, _v, next, total);
        AttentionSpec spec = new(_scene.Heads, 1 / MathF.Sqrt(_scene.KeyDimension))
        {
            Window = _scene.Window,
            SinkTokens = _scene.SinkTokens,
            SinkScores = _sinks,
            SoftCap = _scene.SoftCap,
        };
        using ScratchScope scope = _ops.Scratch();
        Tensor result = _ops.Attention(bq, bk, bv, spec, _store.Layer(1), batch);
        int row = 0;
        foreach ((int sequence, int count) in next)
        {
            for (int i = 0; i < count; i++)
                result[row++].CopyTo(Results[sequence][_past[sequence] + i]);
            _past[sequence] += count;
        }
    }

    /// <summary>The largest difference of any value to those of another run, relative to 1 and the value.</summary>
    public float Difference(AttentionRun other)
    {
        float largest = 0;
        for (int sequence = 0; sequence < _past.Length; sequence++)
        {
            for (int token = 0; token < _past[sequence]; token++)
            {
                Span<float> a = Results[sequence][token], b = other.Results[sequence][token];
                for (int i = 0; i < a.Length; i++)
                {
                    float difference = MathF.Abs(a[i] - b[i]) / (1 + MathF.Abs(b[i]));
                    largest = difference <= largest ? largest : difference; // a NaN is the largest
                }
            }
        }
        return largest;
    }

    /// <summary>Whether a sequence's outputs are those of another run, bit for bit.</summary>
    public bool IsSame(AttentionRun other, int sequence, int tokens)
    {
        for (int token = 0; token < tokens; token++)
        {
            if (!MemoryMarshal.AsBytes(Results[sequence][token]).SequenceEqual(MemoryMarshal.AsBytes(other.Results[sequence][token])))
                return false;
        }
        return true;
    }

    public void Dispose()
    {
        _store.Dispose();
        _memory.Dispose();
    }

    private Tensor Collect(GuardedTensors inputs, Tensor[] from, (int Sequence, int Count)[] next, int total)
    {
        Tensor collected = inputs.Create(total, from[0].Columns);
        int row = 0;
        foreach ((int sequence, int count) in next)
        {
            for (int i = 0; i < count; i++)
                from[sequence][_past[sequence] + i].CopyTo(collected[row++]);
        }
        return collected;
    }
}
