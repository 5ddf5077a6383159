using CsCheck;
using Sluice.Files;
using Sluice.Models;
using Sluice.Tensors;
using Sluice.Tensors.Formats;
using Sluice.TestData;
using Sluice.Tests.Models;

namespace Sluice.Tests.Engine;

using Engine = Sluice.Engine;

public class EmbeddingTests
{
    private const string Stories = "models/stories260K-f32.gguf";

    /// <summary>The output map of an embedding is the logits that an independent engine computed of the same rows, but for their length.</summary>
    [Theory]
    [InlineData("llama-gqa")]
    [InlineData("qwen3")]
    [InlineData("mamba")]
    public async Task Embeddings_are_the_rows_behind_the_logits(string model)
    {
        GoldenModel golden = GoldenModel.Get(model);
        float[] logits = golden.Logits();
        using Engine engine = Engine.Load(golden.Path, SteppedEngine.Options);
        foreach (Pooling pooling in Enum.GetValues<Pooling>())
        {
            Embedding embedding = await engine.Embed(new EmbeddingRequest { Prompt = golden.Tokens, Pooling = pooling });
            Assert.Equal(1, embedding.Values.Sum(value => (double)value * value), 1e-5);
            double[] expected = new double[golden.Vocabulary];
            for (int row = 0; row < golden.Tokens.Length; row++)
            {
                if (pooling == Pooling.Mean || row == (pooling == Pooling.First ? 0 : golden.Tokens.Length - 1))
                {
                    for (int i = 0; i < expected.Length; i++)
                        expected[i] += logits[(row * golden.Vocabulary) + i];
                }
            }
            Assert.True(Cosine(Map(engine.Runner.File, embedding.Values), expected) > 0.99999, pooling.ToString());
        }
    }

    /// <summary>However texts are cut, batched with others, set aside and found in the cache: the same bits.</summary>
    [Theory]
    [InlineData(Stories)]
    [InlineData("golden/models/gemma2.gguf")]
    public void Nobody_notices_the_others(string model)
    {
        Dictionary<(int, int, Pooling), float[]> alone = [];
        using SteppedEngine single = new(model, SteppedEngine.Options with { PrefixCache = false, StepTokens = 128, Sequences = 1 });
        long preemptions = 0, hits = 0;
        Gen.Select(
            Gen.Select(Gen.Int[0, 2], Gen.Int[1, 120], Gen.Enum<Pooling>(), Gen.Bool, Gen.Int[0, 4]).Array[1, 12],
            Gen.Int[0, 3], Gen.Bool, Gen.Int[1, 2], Gen.Bool).Sample(
            (requests, step, isKept, sequences, isApart) =>
            {
                using SteppedEngine engine = new(model, SteppedEngine.Options with
                {
                    StepTokens = ((int[])[1, 3, 16, 40])[step],
                    PrefixCache = isKept,
                    Sequences = sequences,
                    Policy = "priority", // so that some are set aside
                    Disaggregate = isApart,
                    PrefillThreads = 1,
                });
                List<(EmbeddingSequence Sequence, float[] Expected)> open = [];
                foreach ((int kind, int length, Pooling pooling, bool isAmongOthers, int delay) in requests)
                {
                    for (int i = 0; i < delay; i++)
                        engine.Step();
                    EmbeddingRequest request = new() { Prompt = Prompt(kind, length), Pooling = pooling };
                    if (!alone.TryGetValue((kind, length, pooling), out float[]? expected))
                        alone.Add((kind, length, pooling), expected = Embed(single, request));
                    open.Add((engine.Engine.Submit(request with { Priority = delay }, default), expected));
                    if (isAmongOthers)
                        engine.Submit(Prompt(kind, Math.Min(length, 100)), 20);
                }
                engine.RunToEnd();
                foreach ((EmbeddingSequence sequence, float[] expected) in open)
                    Assert.Equal(expected, Made(sequence).Values);
                (preemptions, hits) = (preemptions + engine.Statistics.Preemptions, hits + engine.Statistics.PrefixHitTokens);
            }, iter: 20, threads: 1);
        Assert.True(preemptions > 0 && hits > 0);
    }

    [Fact]
    public void Only_rows_that_are_not_wanted_come_from_the_cache()
    {
        using SteppedEngine engine = new(Stories, SteppedEngine.Options);
        foreach (Pooling pooling in Enum.GetValues<Pooling>())
        {
            EmbeddingRequest request = new() { Prompt = Prompt(0, 100), Pooling = pooling };
            float[] first = Embed(engine, request);
            EmbeddingSequence again = engine.Engine.Submit(request, default);
            engine.RunToEnd();
            Assert.Equal(pooling == Pooling.Last ? 96 : 0, Made(again).CachedPromptTokens);
            Assert.Equal(first, Made(again).Values);
        }
        // What an embedding computed, a continuation finds.
        SteppedEngine.Open open = engine.Submit(Prompt(0, 100), 3);
        engine.RunToEnd();
        Assert.Equal(96, open.Completion.CachedPromptTokens);
    }

    [Fact]
    public async Task The_models_pooling_is_the_default()
    {
        using ScalarOps ops = new();
        using ModelFile file = ModelFile.Open(GoldenModel.Get("llama-gqa").Path);
        Assert.Equal(Pooling.Last, Model.Load(file, ops).Config.Pooling);
        file.Metadata["llama.pooling_type"] = 1;
        Assert.Equal(Pooling.Mean, Model.Load(file, ops).Config.Pooling);
        file.Metadata["llama.pooling_type"] = 4;
        Assert.Contains("llama.pooling_type", Assert.Throws<NotSupportedException>(() => Model.Load(file, ops)).Message, StringComparison.Ordinal);

        using Engine engine = Engine.Load(SharedFiles.Shared(Stories.Split('/')), SteppedEngine.Options);
        Embedding last = await engine.Embed("Once", new EmbeddingRequest { Prompt = [], Pooling = Pooling.Last });
        Assert.Equal(last.Values, (await engine.Embed("Once")).Values);
        Embedding[] several = await engine.Embed(["Once", "Twice"]);
        Assert.Equal(last.Values, several[0].Values);
        Assert.NotEqual(several[0].Values, several[1].Values);
    }

    [Fact]
    public async Task What_makes_no_sense_is_refused_and_the_whole_context_is_not()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared(Stories.Split('/')), SteppedEngine.Options);
        Assert.Contains("128", Assert.Throws<ArgumentException>(() => engine.Submit(Request(129), default)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => engine.Submit(Request(0), default));
        Assert.Throws<ArgumentException>(() => engine.Submit(new EmbeddingRequest { Prompt = [512] }, default));
        Assert.Throws<ArgumentException>(() => engine.Submit(Request(1) with { Pooling = (Pooling)9 }, default));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => engine.Embed(Request(100), new CancellationToken(true)));
        Embedding whole = await engine.Embed(Request(128));
        Assert.Equal(128, whole.PromptTokens);
        Assert.Equal(whole.Values[..8].Select(value => value / Math.Sqrt(whole.Values[..8].Sum(v => (double)v * v))), whole.Shorten(8).Values.Select(v => (double)v), (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.Throws<ArgumentOutOfRangeException>(() => whole.Shorten(65));

        EmbeddingRequest Request(int length) => new() { Prompt = Prompt(0, length) };
    }

    private static float[] Embed(SteppedEngine engine, EmbeddingRequest request)
    {
        EmbeddingSequence sequence = engine.Engine.Submit(request, default);
        engine.RunToEnd();
        return Made(sequence).Values;
    }

    private static Embedding Made(EmbeddingSequence sequence) => sequence.Result.Result;

    private static int[] Prompt(int kind, int length) => [.. Enumerable.Range(0, length).Select(i => 3 + ((i * 7 * (i < 40 ? 1 : kind + 1)) % 300))];

    /// <summary>The file's output map of a row.</summary>
    private static double[] Map(ModelFile file, float[] row)
    {
        TensorInfo tensor = file.Tensors.GetValueOrDefault("output.weight") ?? file.Tensors["token_embd.weight"];
        float[] weights = new float[tensor.Count];
        WeightFormats.Get(tensor.Type).Dequantize(tensor.Data.Span(), weights);
        return [.. weights.Chunk(row.Length).Select(one => one.Zip(row, (a, b) => (double)a * b).Sum())];
    }

    private static double Cosine(double[] a, double[] b) =>
        a.Zip(b, (x, y) => x * y).Sum() / Math.Sqrt(a.Sum(x => x * x) * b.Sum(y => y * y));
}
