using Sluice.Cache;
using Sluice.Sampling;
using Sluice.TestData;

namespace Sluice.Tests.Engine;

using Engine = Sluice.Engine;

public class EngineTests
{
    private static readonly EngineOptions Options = new() { Threads = 2, KvFormat = "f32", StepTokens = 16, CheckIntegrity = true };

    /// <summary>The story that stories260K is known for: what llama2.c writes at temperature 0.</summary>
    [Fact]
    public async Task Stories260K_writes_its_story()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options);
        string text = await Text(engine, "Once upon a time", new Request { Prompt = [], Sampling = SamplingOptions.Greedy, MaxTokens = 200 });
        Assert.StartsWith(
            ", there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. "
            + "She wanted to play with it, but it was too high.", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Greedy_text_does_not_depend_on_other_requests()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options);
        string[] prompts = ["Once upon a time", "Lily and Tom", "The dog was very big. It was so big that", "One", "She said: \"I am"];
        Request template = new() { Prompt = [], Sampling = SamplingOptions.Greedy, MaxTokens = 40 };
        List<string> alone = [];
        foreach (string prompt in prompts)
            alone.Add(await Text(engine, prompt, template));
        string[] together = await Task.WhenAll(prompts.Select(prompt => Text(engine, prompt, template)));
        Assert.Equal(alone, together);
        Assert.Equal(5, together.Distinct().Count());
    }

    [Fact]
    public async Task Same_seed_same_text()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options);
        Request Template(ulong seed) => new() { Prompt = [], Sampling = new SamplingOptions { Temperature = 1, Seed = seed }, MaxTokens = 60 };
        string first = await Text(engine, "Once", Template(7));
        Assert.Equal(first, await Text(engine, "Once", Template(7)));
        Assert.NotEqual(first, await Text(engine, "Once", Template(8)));
    }

    [Fact]
    public async Task A_stop_string_ends_the_text_before_it()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options);
        List<GeneratedToken> tokens = await Tokens(engine, "Once upon a time", new Request { Prompt = [], Sampling = SamplingOptions.Greedy, Stop = ["loved to"] });
        Assert.Equal(", there was a little girl named Lily. She ", string.Concat(tokens.Select(token => token.Text)));
        Assert.Equal(FinishReason.StopString, tokens[^1].Finish);
        Assert.All(tokens[..^1], token => Assert.Null(token.Finish));
    }

    [Fact]
    public async Task A_full_context_and_a_token_limit_are_told_apart()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options with { Context = 24 });
        Request template = new() { Prompt = [], Sampling = SamplingOptions.Greedy, IgnoreEnd = true };
        List<GeneratedToken> all = await Tokens(engine, "Once upon a time", template);
        Assert.Equal(FinishReason.ContextFull, all[^1].Finish);
        Assert.Equal(24, engine.Tokenizer!.Encode("Once upon a time").Length + all.Count);
        List<GeneratedToken> five = await Tokens(engine, "Once upon a time", template with { MaxTokens = 5 });
        Assert.Equal((FinishReason.MaxTokens, 5), (five[^1].Finish!.Value, five.Count));
    }

    [Fact]
    public void A_prompt_longer_than_the_context_is_refused()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options with { Context = 24 });
        ArgumentException error = Assert.Throws<ArgumentException>(() => engine.Generate(string.Join(' ', Enumerable.Repeat("word", 40))));
        Assert.Contains("24", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => engine.Generate(new Request { Prompt = [] }));
        Assert.Throws<ArgumentException>(() => engine.Generate(new Request { Prompt = [512] }));
        Assert.Throws<ArgumentException>(() => engine.Generate(new Request { Prompt = [1], MaxTokens = 0 }));
        Assert.Throws<ArgumentException>(() => engine.Generate(new Request { Prompt = [1], Sampling = new SamplingOptions { TopP = 2 } }));
    }

    [Fact]
    public async Task Cancelling_frees_the_blocks()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options);
        using CancellationTokenSource cancellation = new();
        int seen = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (GeneratedToken token in engine.Generate("Once", new Request { Prompt = [], IgnoreEnd = true }, cancellation.Token))
            {
                if (++seen == 3)
                    await cancellation.CancelAsync();
            }
        });
        await NothingHeld(engine);
        // Leaving the loop is enough, too.
        await foreach (GeneratedToken token in engine.Generate("Once", new Request { Prompt = [], IgnoreEnd = true }))
            break;
        await NothingHeld(engine);
    }

    /// <summary>Requests wait for memory that others hold, and all are served.</summary>
    [Fact]
    public async Task More_requests_than_fit_take_turns()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options with { Sequences = 2, Context = 64 });
        Request template = new() { Prompt = [], Sampling = SamplingOptions.Greedy, IgnoreEnd = true };
        string[] texts = await Task.WhenAll(Enumerable.Range(0, 7).Select(_ => Text(engine, "Once upon a time", template)));
        Assert.Single(texts.Distinct());
        await NothingHeld(engine);
    }

    [Fact]
    public async Task A_request_that_cannot_be_sampled_fails_alone()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options);
        Dictionary<int, float> nothing = Enumerable.Range(0, 512).ToDictionary(id => id, _ => float.NegativeInfinity);
        Task<string> good = Text(engine, "Once upon a time", new Request { Prompt = [], Sampling = SamplingOptions.Greedy, MaxTokens = 30 });
        await Assert.ThrowsAsync<InvalidOperationException>(
            () => Text(engine, "Once", new Request { Prompt = [], Sampling = new SamplingOptions { LogitBias = nothing } }));
        Assert.StartsWith(", there was", await good, StringComparison.Ordinal);
        await NothingHeld(engine);
    }

    [Fact]
    public async Task Disposing_ends_open_requests()
    {
        Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options);
        IAsyncEnumerator<GeneratedToken> open = engine.Generate("Once", new Request { Prompt = [], IgnoreEnd = true }).GetAsyncEnumerator(TestContext.Current.CancellationToken);
        Assert.True(await open.MoveNextAsync());
        engine.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            while (await open.MoveNextAsync())
            {
            }
        });
        Assert.Throws<ObjectDisposedException>(() => engine.Generate("Once"));
    }

    [Fact]
    public async Task Log_probabilities_are_of_the_model()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options);
        Request template = new() { Prompt = [], MaxTokens = 8, Sampling = SamplingOptions.Greedy with { LogProbs = 3 } };
        foreach (GeneratedToken token in await Tokens(engine, "Once upon a time", template))
        {
            Assert.Equal(3, token.TopLogProbabilities.Count);
            Assert.Equal(token.Id, token.TopLogProbabilities[0].Id);
            Assert.Equal(token.LogProbability, token.TopLogProbabilities[0].LogProbability);
            Assert.InRange(token.LogProbability, -10, 0);
        }
    }

    /// <summary>A window with sinks (StreamingLLM) holds a bounded number of blocks however long the text, and reads on sensibly.</summary>
    [Fact]
    public async Task A_window_with_sinks_bounds_the_cache()
    {
        EngineOptions windowed = Options with { Retention = new Retention(Window: 64, SinkTokens: 4), Context = 500, Sequences = 1 };
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), windowed);
        Assert.InRange(engine.Runner.Cache.Groups.Single().Pool.Count, 1, 6); // 500 tokens in full take 16 blocks
        Request template = new() { Prompt = [], Sampling = SamplingOptions.Greedy, IgnoreEnd = true, MaxTokens = 400 };
        string text = await Text(engine, "Once upon a time", template);
        // Within the window nothing has changed.
        Assert.StartsWith(", there was a little girl named Lily. She loved to play outside in the park.", text, StringComparison.Ordinal);
        await NothingHeld(engine);
    }

    /// <summary>Many at once, in a cache that has room for few, some cancelled: with one thread that does all, and with two.</summary>
    [Theory]
    [InlineData(false, "models/stories260K-f32.gguf")]
    [InlineData(true, "models/stories260K-f32.gguf")]
    [InlineData(true, "golden/models/gemma2.gguf")]
    [InlineData(true, "golden/models/mamba.gguf")]
    [InlineData(true, "golden/models/deepseek2-sigmoid.gguf")]
    public async Task A_crowd_is_served_as_each_would_be_alone(bool isApart, string model)
    {
        EngineOptions options = Options with { Sequences = 2, Context = 96, Disaggregate = isApart, PrefillThreads = 1, Threads = 1 };
        string path = SharedFiles.Shared(model.Split('/'));
        Dictionary<int, int[]> alone = [];
        using (Engine single = Engine.Load(path, options with { Disaggregate = false, PrefixCache = false }))
        {
            for (int kind = 0; kind < 12; kind++)
                alone.Add(kind, await Ids(single, kind, most: int.MaxValue));
        }
        using Engine engine = Engine.Load(path, options);
        await Parallel.ForAsync(0, 24, new ParallelOptions { MaxDegreeOfParallelism = 24 }, async (user, _) =>
        {
            Random random = new(user);
            for (int i = 0; i < 6; i++)
            {
                int kind = random.Next(12), most = random.Next(4) == 0 ? random.Next(1, 20) : int.MaxValue;
                int[] ids = await Ids(engine, kind, most);
                Assert.Equal(alone[kind].Take(most), ids);
            }
        });
        await NothingHeld(engine);
        Assert.True(engine.IsAlive);
        Assert.Equal(0, engine.Statistics.Failed);
        Assert.Equal(24 * 6, engine.Statistics.Completed + engine.Statistics.Cancelled);
        if (!model.Contains("mamba", StringComparison.Ordinal))
            Assert.True(engine.Statistics.PrefixHitTokens > 0);

        static async Task<int[]> Ids(Engine engine, int kind, int most)
        {
            int[] prompt = [.. Enumerable.Range(0, 10 + (kind * 5)).Select(i => 1 + (((i * 7) + (kind % 3)) % 60))];
            List<int> ids = [];
            await foreach (GeneratedToken token in engine.Generate(new Request { Prompt = prompt, MaxTokens = 25, IgnoreEnd = true, Sampling = SamplingOptions.Greedy }))
            {
                ids.Add(token.Id);
                if (ids.Count == most)
                    break;
            }
            return [.. ids];
        }
    }

    /// <summary>A failure in a step ends the engine, which says so, and everybody who waits learns of it.</summary>
    [Fact]
    public async Task An_engine_that_fails_says_so()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options);
        Assert.Equal(8, (await Tokens(engine, "Once", new Request { Prompt = [], MaxTokens = 8, IgnoreEnd = true })).Count);
        Assert.True(engine.IsAlive);
        Assert.Null(engine.Failure);
        await NothingHeld(engine);
        Assert.True(engine.Runner.Cache.Groups[0].Pool.TryAllocate(out _)); // a block that nobody has: the books are wrong
        InvalidOperationException error = await Assert.ThrowsAsync<InvalidOperationException>(() => Text(engine, "Once", new Request { Prompt = [] }));
        Assert.Contains("1 references but 0 holders", error.Message, StringComparison.Ordinal);
        Assert.False(engine.IsAlive);
        Assert.Same(error, engine.Failure);
        for (int i = 0; i < 500 && engine.Statistics.Failed == 0; i++)
            await Task.Delay(10, TestContext.Current.CancellationToken);
        Assert.Equal((0, 0, 1L, 1L), (engine.Statistics.Running, engine.Statistics.Waiting, engine.Statistics.Completed, engine.Statistics.Failed));
        Assert.Same(error, Assert.Throws<ObjectDisposedException>(() => engine.Generate("Once")).InnerException);
    }

    [Fact]
    public async Task Statistics_add_up()
    {
        using Engine engine = Engine.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), Options with { Sequences = 4 });
        Assert.Equal(0, engine.Statistics.Steps);
        int[] prompt = [.. Enumerable.Range(1, 70)];
        Request request = new() { Prompt = prompt, Sampling = SamplingOptions.Greedy, IgnoreEnd = true, MaxTokens = 12 };
        for (int i = 0; i < 2; i++)
        {
            List<GeneratedToken> tokens = [];
            await foreach (GeneratedToken token in engine.Generate(request))
                tokens.Add(token);
            Assert.All(tokens[..^1], token => Assert.Null(token.Completion));
            Completion completion = tokens[^1].Completion!;
            Assert.Equal((70, i * 64, 12, 0), (completion.PromptTokens, completion.CachedPromptTokens, completion.GeneratedTokens, completion.Preemptions));
            Assert.True(TimeSpan.Zero <= completion.Queued && completion.Queued <= completion.FirstToken && completion.FirstToken < completion.LastToken);
            Assert.Equal((completion.LastToken - completion.FirstToken) / 11, completion.InterToken);
        }
        await NothingHeld(engine);
        EngineStatistics statistics = engine.Statistics;
        Assert.Equal((2L, 0L, 0L), (statistics.Completed, statistics.Cancelled, statistics.Failed));
        Assert.Equal((140L, 64L), (statistics.PrefixQueriedTokens, statistics.PrefixHitTokens));
        Assert.Equal((76L, 24L), (statistics.PromptTokens, statistics.GeneratedTokens));
        Assert.True(statistics.Steps >= 5 + 11 + 1 + 11 && statistics.StepTime > statistics.LastStepTime);
        BlockCounts group = Assert.Single(statistics.Groups);
        Assert.Equal((0, group.Total), (group.Used, group.Cached + group.Free));
        Assert.Equal(2, group.Cached);
        Assert.Equal(0, statistics.CacheUse);
    }

    private static async Task<string> Text(Engine engine, string prompt, Request template) =>
        string.Concat((await Tokens(engine, prompt, template)).Select(token => token.Text));

    private static async Task<List<GeneratedToken>> Tokens(Engine engine, string prompt, Request template)
    {
        List<GeneratedToken> tokens = [];
        await foreach (GeneratedToken token in engine.Generate(prompt, template, TestContext.Current.CancellationToken))
            tokens.Add(token);
        return tokens;
    }

    /// <summary>Blocks are freed at the step after; wait for that, and for the statistics of it.</summary>
    private static async Task NothingHeld(Engine engine)
    {
        for (int i = 0; i < 500 && (engine.Runner.Cache.Sequences > 0 || engine.Statistics.Running > 0); i++)
            await Task.Delay(10, TestContext.Current.CancellationToken);
        Assert.Equal(0, engine.Runner.Cache.Sequences);
        for (int g = 0; g < engine.Runner.Cache.Groups.Count; g++)
            Assert.Equal(engine.Runner.Cache.Groups[g].Pool.Count, engine.Runner.Cache.Available(g));
    }
}
