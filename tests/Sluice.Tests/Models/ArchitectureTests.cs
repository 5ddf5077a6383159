using Sluice.Cache;
using Sluice.Files;
using Sluice.Models;
using Sluice.Tensors;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.KvFormats;
using Sluice.TestData;

namespace Sluice.Tests.Models;

public class ArchitectureTests(ITestOutputHelper output)
{
    public static TheoryData<string> Goldens => [.. GoldenModel.All.Select(golden => golden.Name).DefaultIfEmpty("absent")];

    [Theory]
    [MemberData(nameof(Goldens))]
    public void Logits_agree_with_an_independent_engine(string name)
    {
        GoldenModel golden = GoldenModel.Get(name);
        using LoadedModel loaded = new(golden.Path);
        double nmse = GoldenModel.Nmse(loaded.Logits(golden.Tokens, golden.Tokens.Length), golden.Logits());
        output.WriteLine($"{name}: NMSE {nmse:g3}, limit {golden.Limit:g3}");
        Assert.True(nmse <= golden.Limit, $"{name}: NMSE {nmse:g3} is over {golden.Limit:g3}");
    }

    /// <summary>What a token gets depends on its own sequence alone, to the bit: not on how the prompt was cut into steps.</summary>
    [Theory]
    [MemberData(nameof(Goldens))]
    public void Logits_do_not_depend_on_chunks(string name)
    {
        GoldenModel golden = GoldenModel.Get(name);
        using LoadedModel loaded = new(golden.Path);
        float[] whole = loaded.Logits(golden.Tokens, golden.Tokens.Length);
        foreach (int chunk in (int[])[1, 7, 16])
            Assert.True(whole.AsSpan().SequenceEqual(loaded.Logits(golden.Tokens, chunk)), $"{name} in chunks of {chunk} differs");
    }

    /// <summary>Nor on which other sequences are in the batch.</summary>
    [Theory]
    [MemberData(nameof(Goldens))]
    public void Logits_do_not_depend_on_the_rest_of_the_batch(string name)
    {
        GoldenModel golden = GoldenModel.Get(name);
        using LoadedModel loaded = new(golden.Path);
        float[] alone = loaded.Logits(golden.Tokens, golden.Tokens.Length);
        float[] mixed = loaded.LogitsAmongOthers(golden.Tokens, [3, 16, 5, 4]);
        Assert.True(alone.AsSpan().SequenceEqual(mixed), $"{name} among others differs: NMSE {GoldenModel.Nmse(mixed, alone):g3}");
    }

    /// <summary>The branches of a tree get what each gets as a chain.</summary>
    [Theory]
    [InlineData("llama-gqa")]
    [InlineData("gemma2")]
    [InlineData("deepseek2-softmax")]
    [InlineData("gpt-oss")]
    public void A_tree_is_as_good_as_its_branches(string name)
    {
        GoldenModel? golden = GoldenModel.All.SingleOrDefault(g => g.Name == name);
        Assert.SkipWhen(golden is null, "needs ../shared/golden/models");
        using LoadedModel loaded = new(golden.Path);
        int[] prefix = golden.Tokens[..20], left = [5, 6, 7], right = [8, 9];
        float[] leftLogits = loaded.Logits([.. prefix, .. left], 4).AsSpan(20 * golden.Vocabulary).ToArray();
        float[] rightLogits = loaded.Logits([.. prefix, .. right], 4).AsSpan(20 * golden.Vocabulary).ToArray();

        using SequenceCache sequence = loaded.Cache.CreateSequence();
        Batch batch = new();
        sequence.TryReserve(20);
        sequence.Begin(batch);
        foreach (int token in prefix)
            batch.Add(token, false);
        using ScratchScope scope = loaded.Ops.Scratch();
        loaded.Model.Forward(batch, loaded.Cache);
        sequence.Commit(20);
        sequence.TryReserve(5);
        batch.Clear();
        sequence.Begin(batch);
        // The branches interleaved: 5, 8, 6, 9, 7.
        int a = batch.AddChild(5, -1, true), b = batch.AddChild(8, -1, true);
        int c = batch.AddChild(6, a, true);
        batch.AddChild(9, b, true);
        batch.AddChild(7, c, true);
        Tensor logits = loaded.Model.Forward(batch, loaded.Cache);
        float[] treeLeft = [.. logits[0], .. logits[2], .. logits[4]], treeRight = [.. logits[1], .. logits[3]];
        Assert.True(GoldenModel.Nmse(treeLeft, leftLogits) < 1e-10);
        Assert.True(GoldenModel.Nmse(treeRight, rightLogits) < 1e-10);
    }

    [Fact]
    public void An_unknown_architecture_is_named() => Refuses<NotSupportedException>("general.architecture", "elm", "elm");

    [Fact]
    public void An_unknown_key_of_the_architecture_is_named() => Refuses<NotSupportedException>("llama.attention.magic", 3, "llama.attention.magic");

    [Fact]
    public void An_unknown_kind_of_rope_scaling_is_named() => Refuses<NotSupportedException>("llama.rope.scaling.type", "spiral", "llama.rope.scaling.type");

    [Fact]
    public void A_count_that_does_not_fit_the_tensors_is_refused() => Refuses<InvalidDataException>("llama.attention.head_count", 3, "llama.attention");

    [Fact]
    public void A_wrong_width_names_tensor_and_shapes() => Refuses<InvalidDataException>("llama.feed_forward_length", 255, "ffn_gate.weight");

    private static void Refuses<TException>(string key, MetadataValue value, string said)
        where TException : Exception
    {
        using ModelFile file = ModelFile.Open(SharedFiles.Shared("golden", "models", "llama-gqa.gguf"));
        file.Metadata[key] = value;
        using ScalarOps ops = new();
        TException error = Assert.Throws<TException>(() => Model.Load(file, ops));
        Assert.Contains(said, error.Message, StringComparison.Ordinal);
        Assert.Contains("llama-gqa.gguf", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A model with a small cache of exact rows.</summary>
    private sealed class LoadedModel : IDisposable
    {
        private readonly ModelFile _file;

        public LoadedModel(string path)
        {
            _file = ModelFile.Open(path);
            Ops = new CpuOps(2);
            Model = Model.Load(_file, Ops);
            Cache = new KvCache(KvPlan.Create(Model.Layers, KvFormats.Get("f32"), 64, 4, 64, 1L << 30));
        }

        public Ops Ops { get; }

        public Model Model { get; }

        public KvCache Cache { get; }

        /// <summary>The logits of all tokens, run in chunks.</summary>
        public float[] Logits(int[] tokens, int chunk)
        {
            using SequenceCache sequence = Cache.CreateSequence();
            Batch batch = new();
            List<float> logits = [];
            for (int start = 0; start < tokens.Length; start += chunk)
            {
                int count = Math.Min(chunk, tokens.Length - start);
                batch.Clear();
                Add(batch, sequence, tokens.AsSpan(start, count), wanted: true);
                Run(batch, logits);
                sequence.Commit(count);
                Cache.CheckIntegrity();
            }
            return [.. logits];
        }

        /// <summary>The logits of all tokens, each step with those of three other sequences before and after them.</summary>
        public float[] LogitsAmongOthers(int[] tokens, int[] chunks)
        {
            SequenceCache[] sequences = [.. Enumerable.Range(0, 4).Select(_ => Cache.CreateSequence())];
            Batch batch = new();
            List<float> logits = [];
            int start = 0;
            foreach (int chunk in chunks)
            {
                batch.Clear();
                Add(batch, sequences[0], [7, 8, 9], wanted: false);
                Add(batch, sequences[1], tokens.AsSpan(20, 1), wanted: false);
                Add(batch, sequences[2], tokens.AsSpan(start, chunk), wanted: true);
                Add(batch, sequences[3], tokens.AsSpan(2, 11), wanted: false);
                Run(batch, logits);
                int[] counts = [3, 1, chunk, 11];
                for (int i = 0; i < 4; i++)
                    sequences[i].Commit(counts[i]);
                start += chunk;
            }
            foreach (SequenceCache sequence in sequences)
                sequence.Dispose();
            Cache.CheckIntegrity();
            return [.. logits];
        }

        public void Dispose()
        {
            Cache.Dispose();
            Ops.Dispose();
            _file.Dispose();
        }

        private static void Add(Batch batch, SequenceCache sequence, ReadOnlySpan<int> tokens, bool wanted)
        {
            Assert.True(sequence.TryReserve(tokens.Length));
            sequence.Begin(batch);
            foreach (int token in tokens)
                batch.Add(token, wanted);
        }

        private void Run(Batch batch, List<float> logits)
        {
            using ScratchScope scope = Ops.Scratch();
            Tensor result = Model.Forward(batch, Cache);
            for (int row = 0; row < result.Rows; row++)
                logits.AddRange(result[row]);
        }
    }
}
