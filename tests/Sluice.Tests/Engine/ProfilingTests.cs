using System.Reflection;
using Sluice.Cache;
using Sluice.Files;
using Sluice.Tensors;
using Sluice.Tensors.Formats;
using Sluice.TestData;

namespace Sluice.Tests.Engine;

public class ProfilingTests
{
    private const int Prompt = 12;

    /// <summary>An operation that is not handed on would be measured as what it falls back to.</summary>
    [Fact]
    public void Every_operation_is_handed_on()
    {
        IEnumerable<MethodInfo> operations = typeof(Ops).GetMethods(BindingFlags.Instance | BindingFlags.Public)
            .Where(method => method is { IsVirtual: true, IsFinal: false } && method.DeclaringType == typeof(Ops));
        Assert.NotEmpty(operations);
        foreach (MethodInfo operation in operations)
        {
            MethodInfo own = typeof(ProfilingOps).GetMethods().Single(method => method.GetBaseDefinition() == operation);
            Assert.True(own.DeclaringType == typeof(ProfilingOps), operation.ToString());
        }
    }

    [Theory]
    [InlineData("llama-gqa")]
    [InlineData("qwen3moe")]
    [InlineData("gemma2")]
    [InlineData("gpt2")]
    [InlineData("gpt-oss")]
    [InlineData("deepseek2-sigmoid")]
    [InlineData("mamba")]
    public void Profiled_logits_are_the_same_to_the_bit(string name)
    {
        string path = SharedFiles.Shared("golden", "models", name + ".gguf");
        using Runner plain = Load(path, isProfiled: false), profiled = Load(path, isProfiled: true);
        Assert.Equal(Run(plain), Run(profiled));
        Assert.IsType<ProfilingOps>(profiled.Ops);
        OperationProfile[] operations = [.. ((ProfilingOps)profiled.Ops).Operations];
        Assert.All(operations, operation => Assert.True(operation is { Calls: > 0, Bytes: > 0, Time.Ticks: > 0 }, operation.Name));
    }

    [Fact]
    public void Bytes_and_products_of_a_known_model()
    {
        using Runner runner = Load(SharedFiles.Data("models", "llama-gqa.gguf"), isProfiled: true);
        Run(runner);
        // 2 layers, weights in F16; a prompt of 12 tokens, then one token that sees 13.
        const int Layers = 2, Embedding = 128, Heads = 4, KvHeads = 2, HeadDimension = 32, FeedForward = 256, Vocabulary = 512;
        const int Tokens = Prompt + 1, Steps = 2;
        Expect(runner, "Linear attn_q+k+v", Layers * Steps, Matrix(Layers, Embedding, (Heads + 2 * KvHeads) * HeadDimension));
        Expect(runner, "Linear attn_output", Layers * Steps, Matrix(Layers, Embedding, Embedding));
        Expect(runner, "Linear ffn_gate+up", Layers * Steps, Matrix(Layers, Embedding, 2 * FeedForward, FeedForward));
        Expect(runner, "Linear ffn_down", Layers * Steps, Matrix(Layers, FeedForward, Embedding));
        (long outputBytes, long outputProducts) = (
            Steps * (Vocabulary * Embedding * 2 + (Vocabulary + Embedding) * 4), Steps * Vocabulary * Embedding); // one row a step
        Expect(runner, "Linear output", Steps, (outputBytes, outputProducts));
        Expect(runner, "RmsNorm", (2 * Layers + 1) * Steps, (
            2 * Layers * (2 * Tokens + Steps) * Embedding * 4 + Steps * 3 * Embedding * 4, 0));
        long seen = Prompt * (Prompt + 1) / 2 + Tokens;
        long rows = Layers * (Prompt + Tokens) * KvHeads * 2 * HeadDimension * 2; // F16
        Expect(runner, "Attention", Layers * Steps, (
            rows + Layers * Tokens * (2 * Heads + 2 * KvHeads) * HeadDimension * 4, Layers * seen * Heads * 2 * HeadDimension));

        // Of gate and up only their product is written.
        static (long Bytes, long Products) Matrix(int layers, int columns, int rows, int? results = null) => (
            layers * ((long)Steps * rows * columns * 2 + (long)Tokens * ((results ?? rows) + columns) * 4), (long)layers * Tokens * rows * columns);
    }

    [Theory]
    [InlineData(4, 0)]
    [InlineData(4, 3)]
    [InlineData(5, 20)]
    public void Attention_counts_what_a_window_lets_tokens_see(int window, int sinks)
    {
        using Runner runner = Load(SharedFiles.Data("models", "llama-gqa.gguf"), isProfiled: true, new Retention(window, sinks));
        Run(runner);
        long pairs = 0;
        for (int token = 0; token <= Prompt; token++)
            pairs += Enumerable.Range(0, token + 1).Count(other => other < sinks || token - other < window);
        Assert.Equal(2 * pairs * 4 * 2 * 32, Find(runner, "Attention").FloatProducts);
    }

    [Theory]
    [InlineData("stories260K-w256-hd64-Q4_K_M.gguf")]
    [InlineData("stories260K-w256-hd64-Q8_0.gguf")]
    public void Products_of_quantized_weights_are_counted_apart(string model)
    {
        using Runner runner = Load(SharedFiles.Shared("models", model), isProfiled: true);
        Run(runner);
        long integers = 0, floats = 0;
        foreach (TensorInfo tensor in runner.File.Tensors.Values.Where(tensor => tensor.Shape.Length == 2))
        {
            bool isOutput = tensor.Name == (runner.File.Tensors.ContainsKey("output.weight") ? "output.weight" : "token_embd.weight");
            long rows = isOutput ? 2 : tensor.Name.StartsWith("token_embd", StringComparison.Ordinal) ? 0 : Prompt + 1;
            if (WeightFormats.Find(tensor.Type)!.Integer is not null)
                integers += rows * tensor.Count;
            else
                floats += rows * tensor.Count;
        }
        OperationProfile[] maps = [.. ((ProfilingOps)runner.Ops).Operations.Where(operation => operation.Name.StartsWith("Linear ", StringComparison.Ordinal))];
        Assert.Equal(5, maps.Length); // the same map of all layers is one
        Assert.True(integers > 0);
        Assert.Equal((integers, floats), (maps.Sum(map => map.IntegerProducts), maps.Sum(map => map.FloatProducts)));
    }

    [Fact]
    public void Only_chosen_experts_are_counted()
    {
        using Runner runner = Load(SharedFiles.Shared("models", "stories260K-moe8x2-w256-hd64-f32.gguf"), isProfiled: true);
        Run(runner, prompt: 0); // one token
        OperationProfile down = Find(runner, "ExpertLinear ffn_down_exps");
        TensorInfo tensor = runner.File.Tensor("blk.0.ffn_down_exps.weight");
        int layers = runner.Model.Config.Layers;
        (long width, long embedding) = (tensor.Shape[0], tensor.Shape[1]);
        Assert.Equal(layers * 2 * width * embedding, down.FloatProducts);
        Assert.Equal(layers * (tensor.Bytes * 2 / 8 + 2 * (width + embedding) * 4), down.Bytes);
    }

    [Fact]
    public void Reset_counts_from_zero()
    {
        using Runner runner = Load(SharedFiles.Data("models", "llama-gqa.gguf"), isProfiled: true);
        ProfilingOps ops = (ProfilingOps)runner.Ops;
        Run(runner);
        (string Name, long Calls, long Bytes, long Products)[] first = [.. ops.Operations.Select(o => (o.Name, o.Calls, o.Bytes, o.FloatProducts))];
        ops.Reset();
        Assert.Empty(ops.Operations);
        Run(runner);
        Assert.Equal(first, ops.Operations.Select(o => (o.Name, o.Calls, o.Bytes, o.FloatProducts)));
    }

    private static void Expect(Runner runner, string name, long calls, (long Bytes, long Products) expected)
    {
        OperationProfile operation = Find(runner, name);
        Assert.Equal((name, calls, expected), (operation.Name, operation.Calls, (operation.Bytes, operation.FloatProducts)));
        Assert.Equal(0, operation.IntegerProducts);
    }

    private static OperationProfile Find(Runner runner, string name) =>
        ((ProfilingOps)runner.Ops).Operations.Single(operation => operation.Name == name);

    private static Runner Load(string path, bool isProfiled, Retention retention = default) => Runner.Load(path, new EngineOptions
    {
        Threads = 2,
        Context = 64,
        Sequences = 1,
        Retention = retention,
        Wrap = isProfiled ? ops => new ProfilingOps(ops) : null,
    });

    /// <summary>The logits of the last token of a prompt and of one token after it.</summary>
    private static float[] Run(Runner runner, int prompt = Prompt)
    {
        using SequenceCache sequence = runner.Cache.CreateSequence();
        Batch batch = new();
        List<float> logits = [];
        foreach (int count in (int[])[prompt, 1])
        {
            batch.Clear();
            Assert.True(sequence.TryReserve(count));
            if (count == 0)
                continue;
            sequence.Begin(batch);
            for (int i = 0; i < count; i++)
                batch.Add(3 + i, wantOutput: i == count - 1);
            using ScratchScope scope = runner.Ops.Scratch();
            logits.AddRange(runner.Forward(batch)[0]);
            sequence.Commit(count);
        }
        return [.. logits];
    }
}
