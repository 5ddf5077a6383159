using CsCheck;
using Sluice.Cache;
using Sluice.Sampling;

namespace Sluice.Tests.Engine;

public class SchedulerTests
{
    private const string Stories = "models/stories260K-f32.gguf";
    private const string Windowed = "golden/models/gemma2.gguf";
    private const string Recurrent = "golden/models/mamba.gguf";

    /// <summary>
    /// Whatever comes when, is cancelled or is set aside, in whatever steps and order: every request that is not cancelled gets
    /// just the tokens that it gets alone, and the books are right after every step.
    /// </summary>
    [Theory]
    [InlineData(Stories)]
    [InlineData(Windowed)]
    [InlineData(Recurrent)]
    public void Nobody_notices_the_others(string model)
    {
        Dictionary<(int, int, int), int[]> alone = [];
        using SteppedEngine single = new(model, SteppedEngine.Options with { PrefixCache = false, StepTokens = 64, Context = 120, Sequences = 1 });
        int vocabulary = single.Engine.Runner.Model.Config.Vocabulary;
        long preemptions = 0, hits = 0;
        Gen.Select(
            Gen.Select(Gen.Int[0, 2], Gen.Int[1, 70], Gen.Int[1, 45], Gen.Int[0, 12], Gen.Int[0, 9]).Array[1, 14],
            Gen.Select(Gen.Int[0, 4], Gen.Bool, Gen.Int[0, 2], Gen.Int[1, 3], Gen.Int[0, 9])).Sample(
            (requests, setting) =>
            {
                (int step, bool isKept, int policy, int sequences, int apart) = setting;
                EngineOptions options = SteppedEngine.Options with
                {
                    Context = 120,
                    Sequences = sequences,
                    StepTokens = ((int[])[1, 3, 16, 40, 64])[step],
                    PrefixCache = isKept,
                    KvDisk = isKept && model == Stories && apart % 2 == 0 ? 8 * 40960 : 0, // blocks of this model
                    Policy = policy == 1 ? "priority" : "fcfs",
                    InterTokenTarget = policy == 2 ? TimeSpan.FromMilliseconds(1) : null,
                };
                using SteppedEngine engine = new(model, options with { Disaggregate = apart > 4, PrefillThreads = 1 });
                if (apart > 5)
                    engine.InterleaveWorkers(apart);
                List<(SteppedEngine.Open Open, int[] Expected, int CancelAt)> open = [];
                foreach ((int kind, int length, int tokens, int delay, int cancel) in requests)
                {
                    for (int i = 0; i < delay; i++)
                        Next();
                    int most = Math.Min(tokens, 120 - length);
                    if (!alone.TryGetValue((kind, length, most), out int[]? expected))
                    {
                        SteppedEngine.Open lone = single.Submit(Prompt(kind, length, vocabulary), most);
                        single.RunToEnd();
                        alone.Add((kind, length, most), expected = lone.Ids);
                    }
                    open.Add((engine.Submit(Prompt(kind, length, vocabulary), most, priority: length % 3), expected, cancel < 2 ? cancel * 7 : int.MaxValue));
                }
                while (open.Any(request => !request.Open.IsOver))
                    Next();
                engine.RunToEnd();
                foreach ((SteppedEngine.Open request, int[] expected, int cancelAt) in open)
                {
                    Assert.Equal(expected[..request.Ids.Length], request.Ids);
                    Assert.True(request.Ids.Length == expected.Length || cancelAt < int.MaxValue);
                }
                preemptions += engine.Statistics.Preemptions;
                hits += engine.Statistics.PrefixHitTokens;
                Assert.Equal(requests.Length, engine.Statistics.Completed + engine.Statistics.Cancelled);

                void Next()
                {
                    engine.Step();
                    foreach ((SteppedEngine.Open request, _, int cancelAt) in open)
                    {
                        if (request.Tokens.Count >= cancelAt)
                            request.Cancel();
                    }
                }
            }, iter: 60, threads: 1);
        if (model != Recurrent)
            Assert.True(preemptions > 0 && hits > 0, $"{preemptions} preemptions and {hits} hits prove nothing");
    }

    /// <summary>Prompts of a kind begin alike.</summary>
    private static int[] Prompt(int kind, int length, int vocabulary) => [.. Enumerable.Range(0, length).Select(i => 1 + (((i * 7) + (kind * 13)) % (vocabulary - 1)))];

    [Fact]
    public void A_request_set_aside_goes_on_as_if_nothing_had_been()
    {
        int[] prompt = Prompt(1, 20, 512), other = Prompt(2, 20, 512);
        foreach (bool isKept in (bool[])[true, false])
        {
            // 8 blocks: both fit at first, and 4 + 4 at the end; two more do not.
            using SteppedEngine engine = new(Stories, SteppedEngine.Options with { Context = 128, Sequences = 2, StepTokens = 64, PrefixCache = isKept });
            Request sampled = new() { Prompt = other, MaxTokens = 100, IgnoreEnd = true, Sampling = new SamplingOptions { Seed = 5, RepetitionPenalty = 1.2f } };
            SteppedEngine.Open expected = engine.Submit(sampled);
            engine.RunToEnd();
            SteppedEngine.Open[] first = [engine.Submit(prompt, 100), engine.Submit(prompt[..15], 100)];
            SteppedEngine.Open youngest = engine.Submit(sampled);
            engine.RunToEnd();
            Assert.Equal(expected.Ids, youngest.Ids);
            Assert.True(youngest.Completion.Preemptions > 0);
            Assert.All(first, request => Assert.Equal(0, request.Completion.Preemptions));
            Assert.Equal(youngest.Completion.Preemptions, engine.Statistics.Preemptions);
            Assert.Equal(0, engine.Statistics.Failed);
        }
    }

    [Fact]
    public void Equal_beginnings_are_computed_once_even_when_they_come_together()
    {
        using SteppedEngine engine = new(Stories, SteppedEngine.Options with { Sequences = 16, StepTokens = 64 });
        int[] system = Prompt(0, 96, 512);
        SteppedEngine.Open[] open = [.. Enumerable.Range(1, 8).Select(i => engine.Submit([.. system, i, i + 1], 4))];
        engine.RunToEnd();
        Assert.Equal(0, open[0].Completion.CachedPromptTokens);
        Assert.All(open[1..], request => Assert.Equal(96, request.Completion.CachedPromptTokens));
        EngineStatistics statistics = engine.Statistics;
        Assert.Equal((8 * 98, 7 * 96), (statistics.PrefixQueriedTokens, statistics.PrefixHitTokens));
        Assert.Equal((98 + (7 * 2), 8 * 4), (statistics.PromptTokens, statistics.GeneratedTokens));
        // And again, one after the other.
        SteppedEngine.Open again = engine.Submit([.. system, 200, 201], 4);
        engine.RunToEnd();
        Assert.Equal(96, again.Completion.CachedPromptTokens);
    }

    /// <summary>Beginnings that end within a block are found too, in a block that others have or go on with, however rows are cached.</summary>
    [Theory]
    [InlineData(Stories, "f16")]
    [InlineData(Stories, "bf16")]
    [InlineData(Stories, "q8_0")]
    [InlineData(Stories, "q4_1-rotated")]
    [InlineData(Windowed, "f32")]
    [InlineData("golden/models/deepseek2-softmax.gguf", "f16")]
    public void Equal_beginnings_are_found_to_the_token(string model, string format)
    {
        EngineOptions options = SteppedEngine.Options with { KvFormat = format, Sequences = 16, StepTokens = 128 };
        using SteppedEngine engine = new(model, options), without = new(model, options with { PrefixCache = false });
        int[][] prompts = [.. Enumerable.Range(1, 8).Select(i => (int[])[.. Prompt(0, 75, 512), i, i + 1])];
        SteppedEngine.Open[] expected = [.. prompts.Select(prompt => without.Submit(prompt, 40))];
        without.RunToEnd();
        // At once: the first is read in one step, the others wait for its blocks and copy the last, which is not full.
        SteppedEngine.Open[] open = [.. prompts.Select(prompt => engine.Submit(prompt, 40))];
        engine.RunToEnd();
        Assert.Equal(expected.Select(request => request.Ids), open.Select(request => request.Ids));
        Assert.Equal([0, .. Enumerable.Repeat(75, 7)], open.Select(request => request.Completion.CachedPromptTokens));
        Assert.Equal(7 * 75, engine.Statistics.PrefixHitTokens);
        // Later: it is kept, with what the others wrote behind.
        SteppedEngine.Open later = engine.Submit([.. Prompt(0, 75, 512), 100, 101], 40), last = without.Submit([.. Prompt(0, 75, 512), 100, 101], 40);
        engine.RunToEnd();
        without.RunToEnd();
        Assert.Equal(last.Ids, later.Ids);
        Assert.Equal(75, later.Completion.CachedPromptTokens);
    }

    [Fact]
    public void A_prompt_that_is_cached_whole_still_computes_its_last_token()
    {
        using SteppedEngine engine = new(Stories, SteppedEngine.Options);
        SteppedEngine.Open first = engine.Submit(Prompt(0, 64, 512), 20);
        engine.RunToEnd();
        SteppedEngine.Open second = engine.Submit(Prompt(0, 64, 512), 20);
        engine.RunToEnd();
        Assert.Equal(first.Ids, second.Ids);
        Assert.Equal((0, 63), (first.Completion.CachedPromptTokens, second.Completion.CachedPromptTokens));
    }

    [Fact]
    public void The_prefix_cache_can_be_switched_off_and_a_recurrent_model_has_none()
    {
        foreach ((string model, bool isOn) in ((string, bool)[])[(Stories, false), (Recurrent, true)])
        {
            using SteppedEngine engine = new(model, SteppedEngine.Options with { PrefixCache = isOn });
            for (int i = 0; i < 2; i++)
            {
                engine.Submit(Prompt(0, 60, 100), 2);
                engine.RunToEnd();
            }
            Assert.Equal((120, 0), (engine.Statistics.PrefixQueriedTokens, engine.Statistics.PrefixHitTokens));
            Assert.All(engine.Statistics.Groups, group => Assert.Equal(group.Total, group.Free));
        }
    }

    /// <summary>A token for everybody who is past the prompt in every step, and short prompts beside a long one.</summary>
    [Fact]
    public void A_long_prompt_holds_nobody_up()
    {
        using SteppedEngine engine = new(Stories, SteppedEngine.Options with { Context = 500, Sequences = 4, StepTokens = 16 });
        SteppedEngine.Open decoding = engine.Submit(Prompt(0, 4, 512), 60);
        engine.Step();
        SteppedEngine.Open longPrompt = engine.Submit(Prompt(1, 400, 512), 2), shortPrompt = engine.Submit(Prompt(2, 12, 512), 2);
        for (int i = 2; i <= 20; i++)
        {
            engine.Step();
            Assert.Equal(i, decoding.Tokens.Count);
            Assert.True(engine.Statistics.LastStepTokens <= 16);
        }
        Assert.NotEmpty(shortPrompt.Tokens);
        Assert.Empty(longPrompt.Tokens);
        engine.RunToEnd();
        Assert.Equal(2, longPrompt.Tokens.Count);
    }

    /// <summary>Where prompts run apart, every step of the other worker has a token for everybody, whatever prompts there are.</summary>
    [Fact]
    public void Decoding_apart_waits_for_no_prompt()
    {
        using SteppedEngine engine = new(Stories, SteppedEngine.Options with { Context = 500, Sequences = 4, StepTokens = 16, Disaggregate = true, PrefillThreads = 1 });
        SteppedEngine.Open decoding = engine.Submit(Prompt(0, 4, 512), 60);
        engine.Step();
        engine.Step();
        int count = decoding.Tokens.Count;
        Worker decode = engine.Engine.Workers.Single(worker => worker.Role == StepRole.Decode);
        Worker prompts = engine.Engine.Workers.Single(worker => worker.Role == StepRole.Prompts);
        SteppedEngine.Open longPrompt = engine.Submit(Prompt(1, 400, 512), 2);
        Assert.True(engine.Engine.TrySchedule(prompts));
        for (int i = 1; i <= 10; i++)
        {
            Assert.True(engine.Engine.TrySchedule(decode));
            Assert.Equal(1, decode.Batch.Count);
            engine.Engine.Run(decode);
            decoding.Drain();
            Assert.Equal(count + i, decoding.Tokens.Count);
        }
        engine.Engine.Run(prompts);
        engine.RunToEnd();
        Assert.Equal(2, longPrompt.Tokens.Count);
    }

    /// <summary>What was set aside is read from disk, but for its last block's tokens, and not computed again.</summary>
    [Fact]
    public void What_was_set_aside_comes_back_from_disk()
    {
        long[] computed = new long[2];
        int[][][] ids = new int[2][][];
        foreach (bool onDisk in (bool[])[false, true])
        {
            // 4 blocks for two requests that grow to 3 each.
            using SteppedEngine engine = new(Stories, SteppedEngine.Options with { Sequences = 1, KvDisk = onDisk ? 1 << 20 : 0 });
            SteppedEngine.Open[] open = [engine.Submit(Prompt(0, 20, 512), 70), engine.Submit(Prompt(1, 20, 512), 70)];
            engine.RunToEnd();
            Assert.True(engine.Statistics.Preemptions > 0);
            Assert.Equal(onDisk, engine.Statistics.DiskReads > 0);
            Assert.True(engine.Statistics.DiskWrites >= engine.Statistics.DiskReads);
            computed[onDisk ? 1 : 0] = engine.Statistics.PromptTokens;
            ids[onDisk ? 1 : 0] = [.. open.Select(request => request.Ids)];
        }
        Assert.Equal(ids[0], ids[1]);
        Assert.True(computed[1] <= computed[0] - 32, $"{computed[0]} tokens were computed without a disk, {computed[1]} with it");
    }

    /// <summary>
    /// The first in the order is not held up for ever by others in flight: they are not scheduled again before it had its turn.
    /// </summary>
    [Fact]
    public void What_is_in_flight_makes_room_for_the_first_in_the_end()
    {
        // 4 blocks: the first comes to need a third one while a step has the two of the second in flight.
        using SteppedEngine engine = new(Stories, SteppedEngine.Options with { Context = 128, Sequences = 1, StepTokens = 63, Disaggregate = true, PrefillThreads = 1 });
        Worker decode = engine.Engine.Workers.Single(worker => worker.Role == StepRole.Decode);
        Worker prompts = engine.Engine.Workers.Single(worker => worker.Role == StepRole.Prompts);
        SteppedEngine.Open first = engine.Submit(Prompt(0, 31, 512), 60);
        Assert.True(engine.Engine.TrySchedule(prompts));
        engine.Engine.Run(prompts);
        SteppedEngine.Open second = engine.Submit(Prompt(1, 64, 512), 20);
        Assert.True(engine.Engine.TrySchedule(prompts)); // 63 of its tokens
        for (int length = 32; length <= 64; length++)
        {
            Assert.True(engine.Engine.TrySchedule(decode));
            engine.Engine.Run(decode);
        }
        Assert.False(engine.Engine.TrySchedule(decode));
        engine.Engine.Run(prompts);
        Assert.False(engine.Engine.TrySchedule(prompts)); // or it might be in flight whenever the first tries
        Assert.True(engine.Engine.TrySchedule(decode));
        Assert.Equal(1, engine.Statistics.Preemptions);
        engine.Engine.Run(decode);
        engine.RunToEnd();
        Assert.Equal((60, 20), (first.Tokens.Count, second.Tokens.Count));
        Assert.Equal((0, 1), (first.Completion.Preemptions, second.Completion.Preemptions));
    }

    [Fact]
    public void Urgent_requests_go_first_and_set_others_aside()
    {
        using SteppedEngine engine = new(Stories, SteppedEngine.Options with { Sequences = 1, Policy = "priority" });
        SteppedEngine.Open calm = engine.Submit(Prompt(0, 60, 512), 60);
        for (int i = 0; i < 10; i++)
            engine.Step();
        Assert.NotEmpty(calm.Tokens);
        SteppedEngine.Open waiting = engine.Submit(Prompt(1, 60, 512), 2), urgent = engine.Submit(Prompt(2, 60, 512), 2, priority: 1);
        while (!urgent.IsOver)
        {
            engine.Step();
            Assert.Empty(waiting.Tokens);
        }
        Assert.False(calm.IsOver);
        engine.RunToEnd();
        Assert.Equal(60, calm.Tokens.Count);
        Assert.Equal((1, 0), (calm.Completion.Preemptions, urgent.Completion.Preemptions));
    }

    /// <summary>While more and more come, one that was there before them gets its turn.</summary>
    [Theory]
    [InlineData("fcfs", 1)]
    [InlineData("fcfs", 1000)]
    public void Nobody_waits_for_ever(string policy, int priority)
    {
        using SteppedEngine engine = new(Stories, SteppedEngine.Options with { Sequences = 1, Policy = policy });
        engine.Submit(Prompt(1, 90, 512), 10);
        SteppedEngine.Open patient = engine.Submit(Prompt(0, 100, 512), 20);
        for (int i = 0; i < 400 && !patient.IsOver; i++)
        {
            if (i % 3 == 0)
                engine.Submit(Prompt(2, 5 + (i % 7), 512), 8, priority);
            engine.Step();
        }
        Assert.True(patient.IsOver);
        Assert.Equal(20, patient.Tokens.Count);
    }

    [Fact]
    public void A_cancelled_request_is_gone_after_one_step()
    {
        using SteppedEngine engine = new(Stories, SteppedEngine.Options with { Sequences = 1 });
        SteppedEngine.Open running = engine.Submit(Prompt(0, 100, 512), 20), waiting = engine.Submit(Prompt(1, 100, 512), 20);
        for (int i = 0; i < 3; i++)
            engine.Step();
        Assert.Equal((1, 1), (engine.Statistics.Running, engine.Statistics.Waiting));
        waiting.Cancel();
        running.Cancel();
        engine.Step();
        Assert.Equal((0, 0, 2L), (engine.Statistics.Running, engine.Statistics.Waiting, engine.Statistics.Cancelled));
        Assert.Equal(0, engine.Engine.Runner.Cache.Sequences);
        Assert.True(running.IsOver && waiting.IsOver);
    }

    /// <summary>What any request may become fits in the cache when nobody else is there: nothing is admitted that must fail.</summary>
    [Fact]
    public void Whatever_is_admitted_fits_alone()
    {
        LayerCache[] layers = [new AttentionCache(1, 8, 8, Retention.Full), new AttentionCache(1, 8, 8, new Retention(40, 33)), new RecurrentCache(4)];
        Gen.Select(Gen.Int[1, 400], Gen.Int[1, 90]).Sample((context, step) =>
        {
            KvPlan plan = KvPlan.Create(layers, Tensors.KvFormats.KvFormats.Get("f16"), context, 1, step, 1L << 30);
            using KvCache cache = new(plan);
            using SequenceCache sequence = cache.CreateSequence();
            while (sequence.Length < context)
            {
                int count = Math.Min(step, context - sequence.Length);
                Assert.True(sequence.TryReserve(count));
                sequence.Commit(count);
            }
        });
    }
}
