using CsCheck;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors;

[Trait(InstructionSetTests.Trait, "all")]
public sealed class AttentionTests : IDisposable
{
    private readonly ScalarOps _scalar = new();
    private readonly CpuOps _one = new(1), _two = new(2), _four = new(4);

    private static readonly Gen<AttentionScene> Scenes =
        from kvHeads in Gen.Int[1, 3]
        from heads in Gen.OneOf(1, 2, 3, 4, 7, 9)
        from dimension in Gen.OneOf((8, 8), (16, 16), (48, 48), (24, 16), (5, 3), (80, 80), (64, 64), (36, 32))
        from format in Gen.OneOf("f32", "f16", "bf16")
        from lengths in Gen.Int[1, 75].Array[1, 4]
        from window in Gen.OneOf(0, 0, 1, 5, 32, 40)
        from sinkTokens in Gen.OneOf(0, 3, 33)
        from sinkScores in Gen.Bool
        from cap in Gen.OneOf(0f, 0f, 5f)
        from seed in Gen.Int[0, 1000]
        select new AttentionScene
        {
            KvHeads = kvHeads,
            Group = heads,
            KeyDimension = dimension.Item1,
            ValueDimension = dimension.Item2,
            Format = format,
            Lengths = lengths,
            Window = window,
            SinkTokens = sinkTokens,
            SinkScores = sinkScores,
            SoftCap = cap,
            Seed = seed,
        };

    public static TheoryData<string> Formats => [.. KvFormats.KvFormats.All.Select(format => format.Name)];

    public void Dispose()
    {
        foreach (Sluice.Tensors.Ops ops in new Sluice.Tensors.Ops[] { _scalar, _one, _two, _four })
            ops.Dispose();
    }

    [Fact]
    public void Agrees_with_the_definition() => Gen.Select(Scenes, Gen.Int[1, 80]).Sample(
        (scene, chunk) =>
        {
            using AttentionRun expected = new AttentionRun(scene, _scalar).All(chunk);
            using AttentionRun actual = new AttentionRun(scene, _two).All(chunk);
            Assert.True(actual.Difference(expected) < 2e-5f, $"chunks of {chunk}: {scene} differs by {actual.Difference(expected)}");
        },
        iter: 60,
        threads: 1);

    [Fact]
    public void Trees_agree_with_the_definition() => Gen.Select(Scenes, Gen.Int[0, 40], Gen.Int[1, 34], Gen.Int[0, 1000]).Sample(
        (scene, past, size, seed) =>
        {
            scene = scene with { Lengths = [past + size, 3] };
            Random random = new(seed);
            int[] parents = [.. Enumerable.Range(0, size).Select(i => random.Next(3) == 0 ? random.Next(-1, i) : i - 1)];
            using AttentionRun expected = new(scene, _scalar), actual = new(scene, _one);
            foreach (AttentionRun run in new[] { expected, actual })
            {
                if (past > 0)
                    run.Step([(0, past)]);
                run.Step([(0, size)], parents);
            }
            Assert.True(actual.Difference(expected) < 2e-5f, $"{string.Join(' ', parents)}: {scene} differs by {actual.Difference(expected)}");
        },
        iter: 60,
        threads: 1);

    /// <summary>Bit for bit, across several parts of the sequence: however the prompt is cut, whatever is beside it, on any number of threads.</summary>
    [Theory]
    [InlineData("f32", 0, 0, 4, 32)]
    [InlineData("f16", 0, 0, 3, 24)]
    [InlineData("bf16", 200, 40, 1, 32)]
    [InlineData("f16", 700, 0, 8, 16)]
    public void A_sequence_does_not_depend_on_anything_else(string format, int window, int sinkTokens, int group, int dimension)
    {
        AttentionScene scene = new()
        {
            KvHeads = 2,
            Group = group,
            KeyDimension = dimension,
            ValueDimension = dimension,
            Format = format,
            Window = window,
            SinkTokens = sinkTokens,
            SinkScores = true,
            SoftCap = 30,
            Lengths = [1101, 45, 130, 1],
        };
        using AttentionRun expected = new AttentionRun(scene, _one).All(int.MaxValue);
        foreach (CpuOps ops in new[] { _one, _two, _four })
        {
            foreach (int chunk in ops == _one ? [7, 64, 333] : new[] { 16, 2000 })
                AssertSame(new AttentionRun(scene, ops).All(chunk), $"chunks of {chunk} on {ops.Pool.Threads} threads");
            AttentionRun decode = new(scene, ops);
            decode.Step([(0, 1050)]);
            while (decode.Past(0) < 1101)
                decode.Step([(0, 1)]); // alone: its parts are shared among threads
            decode.All(40);
            AssertSame(decode, $"decoding on {ops.Pool.Threads} threads");
        }

        void AssertSame(AttentionRun run, string what)
        {
            for (int sequence = 0; sequence < scene.Lengths.Length; sequence++)
                Assert.True(run.IsSame(expected, sequence, scene.Lengths[sequence]), $"sequence {sequence}: {what}");
            run.Dispose();
        }
    }

    /// <summary>The branch that comes first in a tree is computed as if it were alone.</summary>
    [Fact]
    public void A_trees_first_branch_is_a_chain()
    {
        AttentionScene scene = new() { KvHeads = 1, Group = 4, KeyDimension = 16, ValueDimension = 16, Lengths = [60], Window = 33 };
        using AttentionRun chain = new AttentionRun(scene, _one), tree = new AttentionRun(scene, _one);
        chain.Step([(0, 40)]);
        chain.Step([(0, 6)]);
        tree.Step([(0, 40)]);
        tree.Step([(0, 14)], [-1, 0, 1, 2, 3, 4, 0, 6, -1, 8, 8, 2, 11, 12]);
        Assert.True(tree.IsSame(chain, 0, 46));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(600, 33)]
    public void Several_parts_agree_with_the_definition(int window, int sinkTokens)
    {
        AttentionScene scene = new()
        {
            KvHeads = 1,
            Group = 2,
            KeyDimension = 8,
            ValueDimension = 8,
            Window = window,
            SinkTokens = sinkTokens,
            Lengths = [1100],
        };
        using AttentionRun expected = new AttentionRun(scene, _scalar).All(600), actual = new AttentionRun(scene, _four).All(1000);
        Assert.True(actual.Difference(expected) < 2e-5f, $"differs by {actual.Difference(expected)}");
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Heads_of_latent_attention(string format)
    {
        AttentionScene scene = new() { KvHeads = 1, Group = 16, KeyDimension = 576, ValueDimension = 512, Lengths = [40, 3], Format = format };
        using AttentionRun expected = new AttentionRun(scene, _scalar).All(32), actual = new AttentionRun(scene, _two).All(50);
        Assert.True(actual.Difference(expected) < 2e-5f, $"differs by {actual.Difference(expected)}");
    }

    [Fact]
    public void Shapes_are_checked()
    {
        using GuardedTensors memory = new();
        using KvStore store = new(KvFormats.KvFormats.Get("f32"), 0, new KvShape(1, 2, 8, 8), 1);
        Batch batch = new();
        batch.BeginSequence(0, [[0]]);
        batch.Add(0, true);
        Tensor q = memory.Create(1, 32), kv = memory.Create(1, 16);
        Assert.Throws<ArgumentException>(() => _one.Attention(q, kv, kv, new AttentionSpec(3, 1), store.Layer(0), batch));
        Assert.Throws<ArgumentException>(() => _one.Attention(q, kv, q, new AttentionSpec(4, 1), store.Layer(0), batch));
        Assert.Equal(32, _one.Attention(q, kv, kv, new AttentionSpec(4, 1), store.Layer(0), batch).Columns);
        batch.Add(0, true);
        Assert.Throws<ArgumentException>(() => _one.Attention(q, kv, kv, new AttentionSpec(4, 1), store.Layer(0), batch));
        batch.Clear();
        Assert.Equal(0, _one.Attention(memory.Create(0, 32), memory.Create(0, 16), memory.Create(0, 16), new AttentionSpec(4, 1), store.Layer(0), batch).Rows);
    }

    [Fact]
    public void Attention_allocates_nothing()
    {
        using GuardedTensors memory = new();
        using KvStore store = new(KvFormats.KvFormats.Get("f16"), 0, new KvShape(1, 2, 64, 64), 64);
        int[][] table = [[.. Enumerable.Range(0, 64)]];
        Tensor q = memory.Random(new Random(1), 1, 512), kv = memory.Random(new Random(2), 1, 128);
        Batch batch = new();
        batch.BeginSequence(2000, table);
        batch.Add(0, true);
        void Step()
        {
            using ScratchScope scope = _four.Scratch();
            _four.Attention(q, kv, kv, new AttentionSpec(8, 0.1f), store.Layer(0), batch);
        }
        Step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Step();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
