using System.Text.Json.Nodes;
using Sluice.Cache;
using Sluice.Files;
using Sluice.Tensors;
using Sluice.TestData;

namespace Sluice.Tests.Models;

/// <summary>An adapter computes what the model with merged weights computes, whatever file it comes from.</summary>
public class AdapterTests
{
    private static readonly EngineOptions Options = new() { Threads = 2, KvFormat = "f32", Context = 64, Sequences = 2 };

    private static string Llama => Path.Combine(SharedFiles.Root, "tests", "data", "models", "llama-gqa.gguf");

    [Theory]
    [InlineData("llama-gqa", 4)]
    [InlineData("llama-tied-ropefreqs", 1)]
    [InlineData("qwen2", 16)]
    [InlineData("qwen3moe", 5)]
    [InlineData("phi3", 8)]
    [InlineData("gemma2", 8)]
    [InlineData("gpt2", 3)]
    [InlineData("deepseek2-sigmoid", 4)]
    [InlineData("mamba", 4)]
    public void A_gguf_adapter_is_as_good_as_merged_weights(string model, int rank)
    {
        GoldenModel golden = GoldenModel.Get(model);
        using TemporaryFolder folder = new();
        using ModelFile file = ModelFile.Open(golden.Path);
        TestAdapter adapter = new(file, rank, seed: 1);
        Assert.True(adapter.Updates.Count > 4);
        using Runner runner = Runner.Load(golden.Path, Options), merged = Runner.Load(adapter.WriteMerged(folder["merged.gguf"]), Options);
        float[] plain = Logits(runner, null, golden.Tokens);
        float[] adapted = Logits(runner, runner.LoadAdapter("a", adapter.WriteGguf(folder["a.gguf"])), golden.Tokens);
        AssertSame(Logits(merged, null, golden.Tokens), adapted);
        Assert.True(GoldenModel.Nmse(adapted, plain) > 0.01);
        Assert.Equal(plain, Logits(runner, null, golden.Tokens));
    }

    [Theory]
    [InlineData("llama-gqa", false)]
    [InlineData("llama-gqa", true)]
    [InlineData("qwen2", false)]
    [InlineData("qwen3", true)]
    public void So_is_a_PEFT_folder_for_either_kind_of_model(string model, bool isFolder)
    {
        GoldenModel golden = GoldenModel.Get(model);
        using TemporaryFolder folder = new(), peft = new(), twin = new();
        using ModelFile file = ModelFile.Open(golden.Path);
        TestAdapter adapter = new(file, rank: 8, seed: 2);
        adapter.WritePeft(peft);
        HuggingFaceTwin.Write(file, twin);
        using Runner runner = Runner.Load(isFolder ? twin.Path : golden.Path, Options), merged = Runner.Load(adapter.WriteMerged(folder["m.gguf"]), Options);
        float[] expected = Logits(merged, null, golden.Tokens);
        AssertSame(expected, Logits(runner, runner.LoadAdapter("a", peft.Path), golden.Tokens));
        AssertSame(expected, Logits(runner, runner.LoadAdapter("b", peft["adapter_model.safetensors"]), golden.Tokens));
    }

    [Fact]
    public void Scales_are_heeded()
    {
        using TemporaryFolder folder = new(), peft = new();
        using ModelFile file = ModelFile.Open(Llama);
        TestAdapter adapter = new(file, rank: 4, seed: 3);
        adapter.WritePeft(peft, config => config["use_rslora"] = true); // alpha / sqrt(4) is twice alpha / 4
        using Runner runner = Runner.Load(Llama, Options);
        using Runner half = Runner.Load(adapter.WriteMerged(folder["half.gguf"], 0.5f), Options), twice = Runner.Load(adapter.WriteMerged(folder["twice.gguf"], 2), Options);
        int[] tokens = [1, 300, 301, 302];
        AssertSame(Logits(half, null, tokens), Logits(runner, runner.LoadAdapter("half", adapter.WriteGguf(folder["a.gguf"]), 0.5f), tokens));
        AssertSame(Logits(twice, null, tokens), Logits(runner, runner.LoadAdapter("twice", peft.Path), tokens));
    }

    /// <summary>PEFT gives modules whose names match a pattern ranks and alphas of their own; the first pattern that does counts.</summary>
    [Fact]
    public void Patterns_give_modules_their_own_ranks_and_scales()
    {
        using TemporaryFolder folder = new(), peft = new();
        using ModelFile file = ModelFile.Open(Llama);
        TestAdapter adapter = new(file, rank: 4, seed: 3, name => name.EndsWith("attn_q.weight", StringComparison.Ordinal)); // of alpha 6
        adapter.WritePeft(peft, config =>
        {
            (config["r"], config["lora_alpha"]) = (16, 1);
            config["rank_pattern"] = JsonNode.Parse("""{"k_proj":8,"q_proj":4,"self_attn.q_proj":9}""");
            config["alpha_pattern"] = JsonNode.Parse("""{"proj":100,"^model\\.layers\\.[0-9]+\\.self_attn\\.q_proj":12}""");
        });
        using Runner runner = Runner.Load(Llama, Options), twice = Runner.Load(adapter.WriteMerged(folder["twice.gguf"], 2), Options);
        int[] tokens = [1, 300, 301, 302];
        AssertSame(Logits(twice, null, tokens), Logits(runner, runner.LoadAdapter("a", peft.Path), tokens));
    }

    /// <summary>Sequences side by side in one batch, each with another adapter or none, get the bits that they get alone.</summary>
    [Theory]
    [InlineData("llama-gqa")]
    [InlineData("gemma2")]
    [InlineData("mamba")]
    public void A_mixed_batch_changes_nothing(string model)
    {
        GoldenModel golden = GoldenModel.Get(model);
        using TemporaryFolder folder = new();
        using ModelFile file = ModelFile.Open(golden.Path);
        using Runner runner = Runner.Load(golden.Path, Options with { Sequences = 8 });
        Adapter[] adapters = [.. Enumerable.Range(0, 3).Select(i => runner.LoadAdapter(
            "a", new TestAdapter(file, rank: 2 + i, seed: i, name => i < 2 || name.Contains("ffn", StringComparison.Ordinal) || name.Contains("ssm_out", StringComparison.Ordinal)).WriteGguf(folder[$"{i}.gguf"])))];
        Adapter?[] of = [adapters[0], null, adapters[1], adapters[0], adapters[2], null, adapters[1], adapters[0]];
        int[][] tokens = [.. of.Select((_, i) => golden.Tokens[i..(i + 3 + (i % 4))])];
        float[][] alone = [.. of.Select((adapter, i) => Logits(runner, adapter, tokens[i]))];

        SequenceCache[] sequences = [.. of.Select(adapter => runner.Cache.CreateSequence(adapter))];
        Batch batch = new();
        for (int i = 0; i < of.Length; i++)
        {
            Assert.True(sequences[i].TryReserve(tokens[i].Length));
            sequences[i].Begin(batch);
            for (int t = 0; t < tokens[i].Length; t++)
                batch.Add(tokens[i][t], wantOutput: (t + i) % 2 == 0); // not all rows
        }
        using ScratchScope scope = runner.Ops.Scratch();
        Tensor logits = runner.Forward(batch);
        int row = 0;
        for (int i = 0; i < of.Length; i++)
        {
            for (int t = i % 2; t < tokens[i].Length; t += 2)
                Assert.Equal(alone[i].AsSpan(t * golden.Vocabulary, golden.Vocabulary), logits[row++]);
            sequences[i].Dispose();
        }
        Assert.Equal(logits.Rows, row);
    }

    [Fact]
    public void A_bad_GGUF_adapter_is_refused_by_name()
    {
        using TemporaryFolder folder = new();
        using ModelFile file = ModelFile.Open(Llama);
        TestAdapter adapter = new(file, rank: 4, seed: 4);
        using Runner runner = Runner.Load(Llama, Options);
        Refuses<InvalidDataException>("'blk.0.attn_q.weight.lora_a' is [32, 4]", (_, tensors) => Replace(tensors, "blk.0.attn_q.weight.lora_a", [32, 4]));
        Refuses<InvalidDataException>("'blk.0.attn_q.weight.lora_b' is [4, 6]", (_, tensors) => Replace(tensors, "blk.0.attn_q.weight.lora_b", [4, 6]));
        Refuses<InvalidDataException>("'blk.0.attn_q.weight.lora_b' of rank 5", (_, tensors) => Replace(tensors, "blk.0.attn_q.weight.lora_b", [5, 64]));
        Refuses<InvalidDataException>("'blk.0.attn_q.weight.lora_b' is missing", (_, tensors) => tensors.RemoveAll(t => t.Name == "blk.0.attn_q.weight.lora_b"));
        Refuses<InvalidDataException>("'blk.0.attn_q.weight.lora_a' is missing", (_, tensors) => tensors.RemoveAll(t => t.Name == "blk.0.attn_q.weight.lora_a"));
        Refuses<NotSupportedException>("'blk.99.attn_q.weight'", (_, tensors) => Pair(tensors, "blk.99.attn_q.weight"));
        Refuses<NotSupportedException>("'token_embd.weight'", (_, tensors) => Pair(tensors, "token_embd.weight"));
        Refuses<NotSupportedException>("'blk.0.attn_norm.weight'", (_, tensors) => tensors.Add(TestAdapter.Tensor("blk.0.attn_norm.weight", [64], new float[64])));
        Refuses<InvalidDataException>("no tensors", (_, tensors) => tensors.Clear());
        Refuses<InvalidDataException>("qwen2", (metadata, _) => metadata["general.architecture"] = "qwen2");
        Refuses<InvalidDataException>("general.type", (metadata, _) => metadata["general.type"] = "model");
        Refuses<NotSupportedException>("adapter.type", (metadata, _) => metadata["adapter.type"] = "control");
        Refuses<InvalidDataException>("adapter.lora.alpha", (metadata, _) => metadata.Remove("adapter.lora.alpha"));
        Refuses<NotSupportedException>("adapter.lora.magic", (metadata, _) => metadata["adapter.lora.magic"] = 1);

        byte[] whole = File.ReadAllBytes(adapter.WriteGguf(folder["a.gguf"]));
        folder.Write("cut.gguf", whole[..^100]);
        Assert.Contains("tensor '", Assert.Throws<InvalidDataException>(() => runner.LoadAdapter("a", folder["cut.gguf"])).Message, StringComparison.Ordinal);
        Assert.Throws<FileNotFoundException>(() => runner.LoadAdapter("a", folder["none.gguf"]));
        Assert.Contains("general.type", Assert.Throws<InvalidDataException>(() => runner.LoadAdapter("a", Llama)).Message, StringComparison.Ordinal);
        Assert.Equal(0, runner.Memory.Adapters);

        void Refuses<T>(string said, Action<Metadata, List<TensorInfo>> edit)
            where T : Exception =>
            Assert.Contains(said, Assert.Throws<T>(() => runner.LoadAdapter("a", adapter.WriteGguf(folder["bad.gguf"], edit))).Message, StringComparison.Ordinal);

        static void Replace(List<TensorInfo> tensors, string name, long[] shape) =>
            tensors[tensors.FindIndex(tensor => tensor.Name == name)] = TestAdapter.Tensor(name, shape, new float[shape[0] * shape[1]]);

        static void Pair(List<TensorInfo> tensors, string name) => tensors.AddRange(
            TestAdapter.Tensor(name + ".lora_a", [64, 4], new float[256]), TestAdapter.Tensor(name + ".lora_b", [4, 64], new float[256]));
    }

    [Fact]
    public void Experts_are_refused_by_name()
    {
        GoldenModel golden = GoldenModel.Get("llama-moe");
        using TemporaryFolder folder = new();
        using ModelFile file = ModelFile.Open(golden.Path);
        using Runner runner = Runner.Load(golden.Path, Options);
        string path = new TestAdapter(file, rank: 4, seed: 4).WriteGguf(folder["a.gguf"], (_, tensors) => tensors.AddRange(
            TestAdapter.Tensor("blk.0.ffn_up_exps.weight.lora_a", [64, 4], new float[256]),
            TestAdapter.Tensor("blk.0.ffn_up_exps.weight.lora_b", [4, 64], new float[256])));
        Assert.Contains("'blk.0.ffn_up_exps.weight'", Assert.Throws<NotSupportedException>(() => runner.LoadAdapter("a", path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bias", "\"all\"")]
    [InlineData("use_dora", "true")]
    [InlineData("fan_in_fan_out", "true")]
    [InlineData("modules_to_save", """["lm_head"]""")]
    [InlineData("rank_pattern", """{"q_proj":5}""")]
    [InlineData("rank_pattern", """{"(":4}""")]
    [InlineData("rank_pattern", """{"q_proj(?!x)":4}""")]
    [InlineData("rank_pattern", "7")]
    [InlineData("alpha_pattern", """{"[":4}""")]
    [InlineData("init_lora_weights", "\"pissa\"")]
    [InlineData("peft_type", "\"IA3\"")]
    [InlineData("trainable_token_indices", "[1]")]
    [InlineData("use_magic", "true")]
    [InlineData("r", "5")]
    [InlineData("r", "null")]
    [InlineData("lora_alpha", "null")]
    public void What_a_PEFT_adapter_needs_and_Sluice_has_not_is_refused_by_name(string key, string value)
    {
        using TemporaryFolder peft = new();
        using ModelFile file = ModelFile.Open(Llama);
        new TestAdapter(file, rank: 4, seed: 4).WritePeft(peft, config => config[key] = JsonNode.Parse(value));
        using Runner runner = Runner.Load(Llama, Options);
        Exception error = Assert.ThrowsAny<Exception>(() => runner.LoadAdapter("a", peft.Path));
        Assert.True(error is NotSupportedException or InvalidDataException);
        Assert.Contains($"'{key}'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_bad_PEFT_tensor_is_refused_by_name()
    {
        using TemporaryFolder peft = new();
        using ModelFile file = ModelFile.Open(Llama);
        TestAdapter adapter = new(file, rank: 4, seed: 4, name => name == "blk.0.attn_q.weight");
        adapter.WritePeft(peft);
        using Runner runner = Runner.Load(Llama, Options);
        const string Query = "base_model.model.model.layers.0.self_attn.q_proj.";
        Refuses(Query + "lora_B.weight", new RawSafetensors().Add(Query + "lora_A.weight", "F32", [4, 64], new byte[1024]).Add(Query + "lora_B.weight", "F32", [60, 4], new byte[960]));
        Refuses("blk.0.attn_q.weight.lora_b", new RawSafetensors().Add(Query + "lora_A.weight", "F32", [4, 64], new byte[1024]));
        Refuses(Query + "magic", new RawSafetensors().Add(Query + "magic", "F32", [4, 64], new byte[1024]));
        Refuses("base_model.model.model.embed_tokens.lora_embedding_A", new RawSafetensors().Add("base_model.model.model.embed_tokens.lora_embedding_A", "F32", [4, 64], new byte[1024]));
        Refuses("base_model.model.model.norm.weight", new RawSafetensors().Add("base_model.model.model.norm.weight", "F32", [64], new byte[256]));

        void Refuses(string name, RawSafetensors tensors)
        {
            peft.Write("adapter_model.safetensors", tensors.ToArray());
            Exception error = Assert.ThrowsAny<Exception>(() => runner.LoadAdapter("a", peft.Path));
            Assert.True(error is NotSupportedException or InvalidDataException, error.ToString());
            Assert.Contains($"'{name}'", error.Message, StringComparison.Ordinal);
        }
    }

    /// <summary>With adapters loaded and not used, nothing is done for them.</summary>
    [Fact]
    public void Rows_without_an_adapter_cost_nothing()
    {
        using TemporaryFolder folder = new();
        using ModelFile file = ModelFile.Open(Llama);
        using Runner runner = Runner.Load(Llama, Options with { Wrap = ops => new ProfilingOps(ops) });
        ProfilingOps ops = (ProfilingOps)runner.Ops;
        Logits(runner, null, [1, 300, 301]);
        (string, long)[] before = Calls();
        Adapter adapter = runner.LoadAdapter("a", new TestAdapter(file, rank: 4, seed: 4).WriteGguf(folder["a.gguf"]));
        Logits(runner, null, [1, 300, 301]);
        Assert.Equal(before, Calls());
        Logits(runner, adapter, [1, 300, 301]);
        Assert.NotEqual(before, Calls());

        (string, long)[] Calls()
        {
            (string, long)[] calls = [.. ops.Operations.Select(operation => (operation.Name, operation.Calls))];
            ops.Reset();
            return calls;
        }
    }

    private static void AssertSame(float[] expected, float[] actual) => Assert.True(GoldenModel.Nmse(actual, expected) is var error && error < 1e-9, $"{error}");

    /// <summary>The logits of all tokens, run in two chunks.</summary>
    private static float[] Logits(Runner runner, Adapter? adapter, int[] tokens)
    {
        using SequenceCache sequence = runner.Cache.CreateSequence(adapter);
        Batch batch = new();
        List<float> logits = [];
        foreach ((int start, int end) in ((int, int)[])[(0, tokens.Length / 2), (tokens.Length / 2, tokens.Length)])
        {
            batch.Clear();
            Assert.True(sequence.TryReserve(end - start));
            sequence.Begin(batch);
            foreach (int token in tokens[start..end])
                batch.Add(token, wantOutput: true);
            using ScratchScope scope = runner.Ops.Scratch();
            Tensor result = runner.Forward(batch);
            for (int row = 0; row < result.Rows; row++)
                logits.AddRange(result[row]);
            sequence.Commit(end - start);
        }
        return [.. logits];
    }
}
