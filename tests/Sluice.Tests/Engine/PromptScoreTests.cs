using Sluice.Sampling;

namespace Sluice.Tests.Engine;

public class PromptScoreTests
{
    private const string Stories = "models/stories260K-f32.gguf";
    private static readonly int[] Prompt = [1, .. Enumerable.Range(0, 69).Select(i => 300 + (i * 37 % 150))];

    /// <summary>A prompt's scores are those of its prefixes' next tokens, to the bit: in whatever steps, beside whomever, twice and set aside.</summary>
    [Fact]
    public void Scores_are_those_of_the_prefixes()
    {
        int vocabulary;
        ScoredToken[] expected;
        using (SteppedEngine single = new(Stories, SteppedEngine.Options with { PrefixCache = false, StepTokens = 64 }))
        {
            vocabulary = single.Engine.Runner.Model.Config.Vocabulary;
            expected = [.. Enumerable.Range(1, Prompt.Length - 1).Select(length =>
            {
                SteppedEngine.Open open = single.Submit(new Request
                {
                    Prompt = Prompt[..length],
                    MaxTokens = 1,
                    Sampling = SamplingOptions.Greedy with { LogProbs = vocabulary },
                });
                single.RunToEnd();
                SampledToken[] all = [.. open.Tokens[0].TopLogProbabilities];
                return new ScoredToken(Prompt[length], all.Single(token => token.Id == Prompt[length]).LogProbability, all[..3]);
            })];
        }
        long preemptions = 0;
        for (int seed = 0; seed < 12; seed++)
        {
            using SteppedEngine engine = new(Stories, SteppedEngine.Options with
            {
                StepTokens = ((int[])[1, 3, 16, 64])[seed % 4],
                Sequences = 1, // so that the urgent one sets others aside
                Policy = "priority",
                Running = 2 + seed,
                Disaggregate = seed % 2 == 1,
                PrefillThreads = 1,
            });
            if (seed % 2 == 1)
                engine.InterleaveWorkers(seed);
            SteppedEngine.Open[] scored = [.. Enumerable.Range(0, 3).Select(_ => engine.Submit(new Request
            {
                Prompt = Prompt,
                MaxTokens = 30,
                IgnoreEnd = true,
                PromptLogProbs = 3,
                Sampling = SamplingOptions.Greedy,
            }))];
            for (int i = 0; i < 3 * seed; i++)
                engine.Step();
            SteppedEngine.Open other = engine.Submit(Prompt, 30, priority: 9); // leaves its blocks to be found
            engine.RunToEnd();
            foreach (SteppedEngine.Open open in scored)
            {
                Assert.Equal(other.Ids, open.Ids);
                Assert.Equal(expected.Select(token => (token.Id, token.LogProbability)), open.Tokens[0].Prompt!.Select(token => (token.Id, token.LogProbability)));
                Assert.Equal(expected.SelectMany(token => token.Top), open.Tokens[0].Prompt!.SelectMany(token => token.Top));
                Assert.All(open.Tokens.Skip(1), token => Assert.Null(token.Prompt));
            }
            Assert.Null(other.Tokens[0].Prompt);
            preemptions += engine.Statistics.Preemptions;
        }
        Assert.True(preemptions > 0);
    }

    [Fact]
    public void A_prompt_of_one_token_has_none_and_nonsense_is_refused()
    {
        using SteppedEngine engine = new(Stories, SteppedEngine.Options);
        SteppedEngine.Open open = engine.Submit(new Request { Prompt = [1], MaxTokens = 2, PromptLogProbs = 0 });
        engine.RunToEnd();
        Assert.Empty(open.Tokens[0].Prompt!);
        Assert.Throws<ArgumentException>(() => engine.Submit(new Request { Prompt = [1], PromptLogProbs = -1 }));
    }
}
