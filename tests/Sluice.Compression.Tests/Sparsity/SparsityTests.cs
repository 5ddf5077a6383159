using Sluice.Evaluation;
using Sluice.Files;
using Sluice.Tensors;
using Sluice.TestData;
using Sluice.Tokenizers;

namespace Sluice.Compression.Tests.Sparsity;

public class SparsityTests
{
    private const int Chunk = 256;

    private static string Model => SharedFiles.Shared("models", "stories260K-w256-hd64-f32.gguf");

    private static string Text => File.ReadAllText(SharedFiles.Shared("corpora", "tinystories-sample.txt"))[..40_000];

    [Theory]
    [InlineData(0.25f)]
    [InlineData(0.5f)]
    public void As_many_inputs_are_zero_as_was_asked_for(float level)
    {
        SparsityOptions options = new() { Level = level, Tokens = 8 * Chunk, ChunkLength = Chunk, Threads = 2 };
        ActivationThresholds thresholds = ThresholdFinder.Find(Model, Text, options);
        // The same text again, and what of it is below the thresholds.
        Dictionary<string, (long Below, long All)> seen = [];
        using Runner runner = Runner.Load(Model, new EngineOptions
        {
            Threads = 2,
            Context = Chunk,
            StepTokens = Chunk,
            Sequences = 1,
            Wrap = ops => new ObservingOps(ops, (in inputs) =>
            {
                float threshold = thresholds.ThresholdOf(inputs.Names[0], level);
                (long below, long all) = seen.GetValueOrDefault(inputs.Names[0]);
                for (int row = 0; row < inputs.X.Rows; row++)
                {
                    foreach (float value in inputs.X[row])
                        below += Math.Abs(value) < threshold ? 1 : 0;
                }
                seen[inputs.Names[0]] = (below, all + ((long)inputs.X.Rows * inputs.X.Columns));
            }),
        });
        Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
        int[] tokens = tokenizer.Encode(Text);
        ChunkRunner chunks = new(runner, tokenizer.BosId);
        for (int i = 0; i < 8; i++)
            chunks.Run(tokens.AsSpan((int)((long)(tokens.Length - Chunk) * i / 7), Chunk));
        Assert.Equal(seen.Keys.Order(), thresholds.Tensors.Append("output.weight").Append("token_embd.weight").Where(seen.ContainsKey).Order());
        int maps = 0;
        foreach ((string name, (long below, long all)) in seen)
        {
            if (!name.StartsWith("blk.", StringComparison.Ordinal))
            {
                Assert.Equal(0, below);
                continue;
            }
            maps++;
            Assert.Equal(level, (double)below / all, 0.003);
            Assert.Equal(level, thresholds.ShareOf(name, level), 0.003);
        }
        Assert.True(maps >= 4 * 5, $"{maps} maps");
    }

    [Fact]
    public void The_more_is_zero_the_worse()
    {
        ActivationThresholds thresholds = ThresholdFinder.Find(Model, Text, new SparsityOptions { Tokens = 8 * Chunk, ChunkLength = Chunk, Threads = 2 });
        double[] found = [.. new[] { 0, 0.25f, 0.5f, 0.8f }.Select(level =>
        {
            using Runner runner = Runner.Load(
                Model, new EngineOptions { Threads = 2, Context = 512, Sequences = 1, Thresholds = thresholds, ActivationSparsity = level });
            Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
            return Perplexity.Measure(runner, tokenizer.Encode(Text), tokenizer.BosId, 512, 4, _ => { }, CancellationToken.None, null).Value;
        })];
        Assert.InRange(found[1], found[0] * 0.99, found[0] * 1.02);
        Assert.InRange(found[2], found[1], found[0] * 1.5);
        Assert.InRange(found[3], found[0] * 2, double.MaxValue);
    }

    [Fact]
    public void Experts_and_every_allocation()
    {
        string model = SharedFiles.Shared("models", "stories260K-moe8x2-w256-hd64-f32.gguf");
        foreach (SparsityAllocation allocation in Enum.GetValues<SparsityAllocation>())
        {
            ActivationThresholds thresholds = ThresholdFinder.Find(
                model, Text, new SparsityOptions { Tokens = 2 * Chunk, ChunkLength = Chunk, Threads = 2, Allocation = allocation });
            Assert.Contains("blk.0.ffn_down_exps.weight", thresholds.Tensors);
            Assert.DoesNotContain("blk.0.ffn_gate_inp.weight", thresholds.Tensors);
            float[] shares = [.. thresholds.Tensors.Select(name => thresholds.ShareOf(name, 0.5f)).Distinct()];
            if (allocation == SparsityAllocation.Greedy)
                Assert.True(shares.Max() - shares.Min() > 0.1, "no map has more than another");
            else
                Assert.All(shares, share => Assert.Equal(0.5, share, 0.003));
        }
    }

    [Theory]
    [InlineData("deepseek2-sigmoid")]
    [InlineData("gpt-oss")]
    [InlineData("mamba")]
    [InlineData("gpt2")]
    public void Any_architecture(string name)
    {
        string model = TinyModel.Find(name);
        int[] tokens = [.. Enumerable.Range(0, 128).Select(i => (3 + (7 * i)) % 500)];
        ActivationThresholds thresholds = ThresholdFinder.Find(
            model, tokens, new SparsityOptions { Tokens = 64, ChunkLength = 32, Threads = 2, Allocation = SparsityAllocation.Greedy });
        using Runner runner = Runner.Load(model, new EngineOptions { Threads = 2, Context = 64, Sequences = 1, Thresholds = thresholds });
        new ChunkRunner(runner, null).Run(tokens.AsSpan(0, 32), (_, logits) => Assert.True(float.IsFinite(logits[0])));
    }

    [Fact]
    public void Greedy_takes_where_it_does_least_harm()
    {
        // The first can lose a half for nothing; the second is twice as large; the third has the most.
        SparseMap[] maps =
        [
            new(100, [0, 0, 0, 0, 0, 0.2, 0.4, 0.6, 0.8, 1]), new(200, [.. Enumerable.Range(1, 10).Select(i => 0.001 * i)]),
            new(100, [.. Enumerable.Range(1, 10).Select(i => i / 10.0)]),
        ];
        double[][] found = SparseMap.Allocate(maps, [0.1f, 0.5f], most: 0.95);
        Assert.Equal(0.1, Mean(found[0]), 1e-6);
        Assert.Equal(0.5, Mean(found[1]), 1e-6);
        Assert.Equal([0.4, 0, 0], found[0], Near);
        Assert.Equal([0.5, 0.75, 0], found[1], Near);

        double Mean(double[] sparsity) => sparsity.Zip(maps, (share, map) => share * map.Weights).Sum() / 400;

        static bool Near(double a, double b) => Math.Abs(a - b) < 0.02;
    }

    [Fact]
    public void Quantiles_of_magnitudes()
    {
        MagnitudeHistogram histogram = new();
        float[] values = [.. Enumerable.Range(0, 100_000).Select(i => (i % 2 == 0 ? 1 : -1) * MathF.Pow(10, i / 10_000f - 5))];
        histogram.Add(values);
        foreach (float share in (float[])[0.01f, 0.3f, 0.5f, 0.99f])
        {
            float quantile = histogram.Quantile(share);
            Assert.Equal(share, values.Count(value => Math.Abs(value) < quantile) / 100_000.0, 0.001);
            Assert.Equal(share, histogram.ShareBelow(quantile), 0.001);
        }
        MagnitudeHistogram zeros = new();
        zeros.Add([0, 0, 0, 5, -0f]);
        Assert.InRange(zeros.Quantile(0.5f), float.Epsilon, 1e-30f);
    }

    [Fact]
    public void Short_texts_and_impossible_levels_are_refused()
    {
        string model = SharedFiles.Data("models", "llama-gqa.gguf");
        Assert.Contains("less than a chunk", Assert.Throws<ArgumentException>(() => ThresholdFinder.Find(model, [1, 2, 3], new SparsityOptions())).Message);
        foreach (float level in (float[])[-0.1f, 0.91f, float.NaN])
            Assert.Throws<ArgumentException>(() => ThresholdFinder.Find(model, new int[600], new SparsityOptions { Level = level }));
    }
}
