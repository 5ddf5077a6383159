using Sluice.Files;
using Sluice.Sampling;
using Sluice.TestData;

namespace Sluice.Tests.Engine;

using Engine = Sluice.Engine;

/// <summary>Adapters side by side in one engine, coming and going while requests run.</summary>
public sealed class AdapterEngineTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string[] _adapters;

    public AdapterEngineTests()
    {
        using ModelFile model = ModelFile.Open(Llama);
        _adapters = [.. Enumerable.Range(0, 4).Select(i => new TestAdapter(model, rank: 2 + (3 * i), seed: i).WriteGguf(_folder[$"{i}.gguf"]))];
    }

    private static string Llama => Path.Combine(SharedFiles.Root, "tests", "data", "models", "llama-gqa.gguf");

    private static EngineOptions Options => SteppedEngine.Options with { CheckIntegrity = true };

    public void Dispose() => _folder.Dispose();

    /// <summary>32 requests over four adapters and none get the tokens that each gets alone, however steps and memory are cut.</summary>
    [Theory]
    [InlineData(16, 2, false)]
    [InlineData(3, 1, false)]
    [InlineData(64, 8, true)]
    public void Nobody_notices_the_others(int stepTokens, int sequences, bool isApart)
    {
        using Engine single = Load(Options with { PrefixCache = false, StepTokens = 128 });
        using Engine engine = Load(Options with { StepTokens = stepTokens, Sequences = sequences, Disaggregate = isApart, PrefillThreads = 1 });
        List<(Request Request, Generation Generation)> generations = [];
        List<(EmbeddingRequest Request, EmbeddingSequence Sequence)> embeddings = [];
        for (int i = 0; i < 32; i++)
        {
            string? adapter = i % 5 == 4 ? null : $"a{i % 5}";
            Request request = new()
            {
                Prompt = Prompt(i % 3, 5 + (i * 7 % 70)),
                Adapter = adapter,
                MaxTokens = 1 + (i % 20),
                Sampling = SamplingOptions.Greedy,
            };
            generations.Add((request, engine.Submit(request, default)));
            EmbeddingRequest embedding = new() { Prompt = request.Prompt, Adapter = adapter };
            if (i % 4 == 0)
                embeddings.Add((embedding, engine.Submit(embedding, default)));
            engine.Step();
        }
        RunToEnd(engine);
        foreach ((Request request, Generation generation) in generations)
        {
            Generation alone = single.Submit(request, default);
            RunToEnd(single);
            Assert.Equal(Ids(alone), Ids(generation));
        }
        foreach ((EmbeddingRequest request, EmbeddingSequence sequence) in embeddings)
        {
            EmbeddingSequence alone = single.Submit(request, default);
            RunToEnd(single);
            Assert.Equal(Values(alone), Values(sequence));
        }
        Assert.Equal(5, Enumerable.Range(0, 5).Select(i => string.Join(' ', Values(single, i < 4 ? $"a{i}" : null))).Distinct().Count());
    }

    [Fact]
    public void Equal_texts_share_blocks_with_the_same_adapter_alone()
    {
        using Engine engine = Load(Options with { Sequences = 8 });
        Assert.Equal([0, 96, 0, 96, 0], new[] { "a0", "a0", "a1", "a0", null }.Select(adapter => Cached(engine, adapter)));
        // Another of the same name is another.
        Assert.True(engine.UnloadAdapter("a0"));
        engine.LoadAdapter("a0", _adapters[2]);
        Assert.Equal([0, 96, 96], new[] { "a0", "a0", "a1" }.Select(adapter => Cached(engine, adapter)));

        static int Cached(Engine engine, string? adapter)
        {
            EmbeddingSequence sequence = engine.Submit(new EmbeddingRequest { Prompt = Prompt(0, 100), Adapter = adapter }, default);
            RunToEnd(engine);
            return Made(sequence).CachedPromptTokens;
        }
    }

    [Fact]
    public void An_adapter_in_use_goes_with_its_last_request()
    {
        using Engine engine = Load(Options);
        long loaded = engine.Memory.Adapters;
        Assert.Equal(loaded, engine.Adapters.Sum(adapter => adapter.Bytes));
        Assert.True(loaded > 0 && engine.Memory.Total > loaded);
        Assert.Contains("adapters", engine.Memory.ToString(), StringComparison.Ordinal);
        Request request = new() { Prompt = Prompt(0, 40), Adapter = "a1", MaxTokens = 30, IgnoreEnd = true, Sampling = SamplingOptions.Greedy };
        Generation expected = engine.Submit(request, default);
        RunToEnd(engine);
        Generation running = engine.Submit(request, default);
        for (int i = 0; i < 10; i++)
            engine.Step();
        Assert.True(engine.UnloadAdapter("a1"));
        Assert.False(engine.UnloadAdapter("a1"));
        Assert.Contains("a1", Assert.Throws<ArgumentException>(() => engine.Submit(request, default)).Message, StringComparison.Ordinal);
        Assert.Equal(["a0", "a2", "a3"], engine.Adapters.Select(adapter => adapter.Name).Order());
        Assert.Equal(loaded, engine.Memory.Adapters);
        RunToEnd(engine);
        Assert.Equal(Ids(expected), Ids(running));
        Assert.True(engine.Memory.Adapters < loaded);
        Assert.True(engine.UnloadAdapter("a0") && engine.UnloadAdapter("a2") && engine.UnloadAdapter("a3"));
        Assert.Equal(0, engine.Memory.Adapters);
        engine.Runner.Cache.CheckIntegrity();
        Assert.All(engine.Runner.Cache.Groups, group => Assert.Equal(group.Pool.Count, group.Pool.Free)); // what only they could use is free again
    }

    [Fact]
    public void Names_are_unique_and_not_empty()
    {
        using Engine engine = Load(Options);
        long loaded = engine.Memory.Adapters;
        Assert.Contains("'a1'", Assert.Throws<ArgumentException>(() => engine.LoadAdapter("a1", _adapters[0])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => engine.LoadAdapter("", _adapters[0]));
        Assert.Equal(loaded, engine.Memory.Adapters);
    }

    /// <summary>On a thread of its own: adapters come and go while requests with others run.</summary>
    [Fact]
    public async Task Adapters_come_and_go_while_requests_run()
    {
        using Engine engine = Engine.Load(Llama, Options with { Threads = 2, Sequences = 8 });
        engine.LoadAdapter("stays", _adapters[0]);
        Request stays = new() { Prompt = Prompt(1, 30), Adapter = "stays", MaxTokens = 20, IgnoreEnd = true, Sampling = SamplingOptions.Greedy };
        int[] expected = await Generate(engine, stays);
        engine.LoadAdapter("goes", _adapters[1]);
        int[] other = await Generate(engine, stays with { Adapter = "goes" });
        engine.UnloadAdapter("goes");
        Assert.NotEqual(expected, other);

        Task<int[]>[] running = [.. Enumerable.Range(0, 12).Select(_ => Generate(engine, stays))];
        for (int i = 0; i < 12; i++)
        {
            engine.LoadAdapter($"goes{i}", _adapters[1]);
            Task<int[]> one = Generate(engine, stays with { Adapter = $"goes{i}" });
            engine.UnloadAdapter($"goes{i}");
            Assert.Equal(other, await one);
        }
        Assert.All(await Task.WhenAll(running), ids => Assert.Equal(expected, ids));
        Assert.Equal("stays", Assert.Single(engine.Adapters).Name);
    }

    private Engine Load(EngineOptions options)
    {
        Engine engine = Engine.Load(Llama, options, null, isStepped: true);
        for (int i = 0; i < _adapters.Length; i++)
            engine.LoadAdapter($"a{i}", _adapters[i]);
        return engine;
    }

    private static async Task<int[]> Generate(Engine engine, Request request)
    {
        List<int> ids = [];
        await foreach (GeneratedToken token in engine.Generate(request))
            ids.Add(token.Id);
        return [.. ids];
    }

    private static void RunToEnd(Engine engine)
    {
        for (int i = 0; engine.Statistics.Running + engine.Statistics.Waiting > 0; i++)
        {
            Assert.True(i < 10_000);
            engine.Step();
        }
    }

    private static int[] Ids(Generation generation)
    {
        List<int> ids = [];
        while (generation.Output.TryRead(out GeneratedToken token))
            ids.Add(token.Id);
        Assert.NotEmpty(ids);
        return [.. ids];
    }

    private static Embedding Made(EmbeddingSequence sequence) => sequence.Result.Result;

    private static float[] Values(EmbeddingSequence sequence) => Made(sequence).Values;

    private static float[] Values(Engine engine, string? adapter)
    {
        EmbeddingSequence sequence = engine.Submit(new EmbeddingRequest { Prompt = Prompt(0, 10), Adapter = adapter }, default);
        RunToEnd(engine);
        return Values(sequence);
    }

    private static int[] Prompt(int kind, int length) => [.. Enumerable.Range(0, length).Select(i => 3 + ((i * 7 * (i < 40 ? 1 : kind + 1)) % 300))];
}
