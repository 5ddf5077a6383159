using CsCheck;
using Sluice.Sampling;

namespace Sluice.Tests.Sampling;

public class SamplerTests
{
    private static readonly SamplingOptions Plain = new() { Temperature = 1, TopK = 0, TopP = 1, MinP = 0, Seed = 1 };

    [Fact]
    public void Greedy_takes_the_best_and_of_equals_the_lowest()
    {
        for (int length = 1; length <= 40; length++)
        {
            for (int at = 0; at < length; at++)
            {
                float[] logits = new float[length];
                Array.Fill(logits, -3);
                logits[at] = logits[length - 1] = 2;
                logits[0] = at == 0 ? 2 : float.NaN;
                Assert.Equal(at, new Sampler(SamplingOptions.Greedy, length).Sample(logits).Id);
            }
        }
    }

    [Fact]
    public void Negative_zero_ties_with_zero() =>
        Assert.Equal(0, new Sampler(SamplingOptions.Greedy, 2).Sample([-0f, 0f]).Id);

    [Theory]
    [InlineData(0f)]
    [InlineData(1f)]
    public void Positive_infinity_wins_and_NaN_never_does(float temperature)
    {
        Sampler sampler = new(Plain with { Temperature = temperature }, 4);
        for (int i = 0; i < 50; i++)
            Assert.Equal(2, sampler.Sample([float.NaN, 3, float.PositiveInfinity, float.NegativeInfinity]).Id);
        for (int i = 0; i < 50; i++)
            Assert.InRange(sampler.Sample([float.NaN, 3, 2.9f, float.NaN]).Id, 1, 2);
    }

    [Fact]
    public void Nothing_to_choose_from_is_an_error()
    {
        foreach (SamplingOptions options in new[] { Plain, SamplingOptions.Greedy })
        {
            Assert.Throws<InvalidOperationException>(() => new Sampler(options, 2).Sample([float.NaN, float.NegativeInfinity]));
            SamplingOptions banned = options with { LogitBias = new Dictionary<int, float> { [0] = float.NegativeInfinity } };
            Assert.Throws<InvalidOperationException>(() => new Sampler(banned, 1).Sample([1]));
        }
        Assert.Throws<ArgumentException>(() => new Sampler(Plain, 3).Sample([1, 2]));
    }

    [Fact]
    public void Options_out_of_range_are_named()
    {
        Check(Plain with { Temperature = -1 }, "Temperature");
        Check(Plain with { Temperature = float.NaN }, "Temperature");
        Check(Plain with { TopK = -1 }, "TopK");
        Check(Plain with { TopP = 1.5f }, "TopP");
        Check(Plain with { TopP = float.NaN }, "TopP");
        Check(Plain with { MinP = -0.1f }, "MinP");
        Check(Plain with { Typical = 2 }, "Typical");
        Check(Plain with { RepetitionPenalty = 0 }, "RepetitionPenalty");
        Check(Plain with { PresencePenalty = float.PositiveInfinity }, "PresencePenalty");
        Check(Plain with { FrequencyPenalty = float.NaN }, "FrequencyPenalty");
        Check(Plain with { PenaltyWindow = -2 }, "PenaltyWindow");
        Check(Plain with { LogProbs = -1 }, "LogProbs");
        Check(Plain with { LogitBias = new Dictionary<int, float> { [-1] = 0 } }, "LogitBias");
        Check(Plain with { LogitBias = new Dictionary<int, float> { [0] = float.NaN } }, "LogitBias");
        Check(Plain with { LogitBias = new Dictionary<int, float> { [4] = 1 } }, "LogitBias");

        static void Check(SamplingOptions options, string name) =>
            Assert.Contains(name, Assert.Throws<ArgumentException>(() => new Sampler(options, 4)).Message);
    }

    [Fact]
    public void Same_seed_same_tokens()
    {
        int[] first = Draw(Plain with { Seed = 42 }, SomeLogits(1000), 100);
        Assert.Equal(first, Draw(Plain with { Seed = 42 }, SomeLogits(1000), 100));
        Assert.NotEqual(first, Draw(Plain with { Seed = 43 }, SomeLogits(1000), 100));
        Sampler unseeded = new(Plain with { Seed = null }, 1000);
        Assert.Equal(Draw(unseeded, SomeLogits(1000), 20), Draw(Plain with { Seed = unseeded.Seed }, SomeLogits(1000), 20));
    }

    [Fact]
    public void Follows_the_published_random_numbers()
    {
        // splitmix64 from 0 begins with these, so they are the state; the first output follows from the definition.
        Xoshiro256 random = new(0);
        Assert.Equal(unchecked(ulong.RotateLeft(0x6E789E6AA1B965F4 * 5, 7) * 9), random.Next());
        Xoshiro256 other = new(7);
        double sum = 0;
        for (int i = 0; i < 100_000; i++)
        {
            double x = other.NextDouble();
            Assert.InRange(x, 0, 1 - 1e-16);
            sum += x;
        }
        Assert.InRange(sum / 100_000, 0.497, 0.503); // 3 standard errors
    }

    [Theory]
    [InlineData(1f, 0, 1f, 0f, 1f)]
    [InlineData(0.5f, 0, 1f, 0f, 1f)]
    [InlineData(2f, 0, 1f, 0f, 1f)]
    [InlineData(1f, 5, 1f, 0f, 1f)]
    [InlineData(1f, 0, 0.7f, 0f, 1f)]
    [InlineData(1f, 0, 1f, 0.2f, 1f)]
    [InlineData(1f, 0, 1f, 0f, 0.6f)]
    [InlineData(1.3f, 15, 0.9f, 0.05f, 0.95f)]
    public void Draws_as_the_distribution_says(float temperature, int topK, float topP, float minP, float typical)
    {
        SamplingOptions options = Plain with { Temperature = temperature, TopK = topK, TopP = topP, MinP = minP, Typical = typical };
        float[] logits = SomeLogits(23);
        double[] expected = Reference.Probabilities(logits, options);
        const int Draws = 20_000;
        int[] counts = new int[logits.Length];
        foreach (int token in Draw(options, logits, Draws))
            counts[token]++;
        double chiSquare = 0;
        int degrees = -1;
        for (int i = 0; i < counts.Length; i++)
        {
            if (expected[i] == 0)
            {
                Assert.Equal(0, counts[i]);
                continue;
            }
            degrees++;
            chiSquare += Math.Pow(counts[i] - (Draws * expected[i]), 2) / (Draws * expected[i]);
        }
        // Mean and standard deviation of chi-square are n and sqrt(2n); with the fixed seed this either holds or does not.
        Assert.InRange(chiSquare, 0, degrees + (4 * Math.Sqrt(2 * Math.Max(1, degrees))));
    }

    [Fact]
    public void Keeps_what_a_plain_reference_keeps()
    {
        // Seeds, not new cases each time: at the very border of a sum, floats and doubles may differ.
        for (int seed = 0; seed < 2000; seed++)
        {
            Random random = new(seed);
            int which = random.Next(8);
            SamplingOptions options = Plain with
            {
                TopK = random.Next(40),
                TopP = (which & 1) != 0 ? random.NextSingle() : 1,
                MinP = (which & 2) != 0 ? random.NextSingle() : 0,
                Typical = (which & 4) != 0 ? random.NextSingle() : 1,
                Seed = (ulong)seed,
            };
            float[] logits = SomeLogits(random.Next(1, 300), seed);
            double[] probabilities = Reference.Probabilities(logits, options);
            Assert.All(Draw(options, logits, 20), token => Assert.True(probabilities[token] > 0, $"seed {seed}: {options}"));
        }
    }

    [Fact]
    public void Penalties_change_logits_as_defined()
    {
        SamplingOptions options = SamplingOptions.Greedy with
        {
            RepetitionPenalty = 2,
            PresencePenalty = 0.5f,
            FrequencyPenalty = 0.25f,
            PenaltyWindow = 3,
        };
        Sampler sampler = new(options, 5);
        foreach (int token in new[] { 4, 0, 1, 1 }) // 4 leaves the window
            sampler.Accept(token);
        float[] logits = [4, -2, 1.3f, 1.2f, 1.1f];
        Assert.Equal(2, sampler.Sample(logits).Id);
        Assert.Equal([4 / 2f - 0.75f, -2 * 2f - 1, 1.3f, 1.2f, 1.1f], logits);
        sampler.Accept(2);
        sampler.Accept(2);
        sampler.Accept(2); // now 2 alone is in it
        logits = [4, -2, 1, 1, 1];
        sampler.Sample(logits);
        Assert.Equal([4, -2, 0.5f - 0.5f - 0.75f, 1, 1], logits);
    }

    [Fact]
    public void Presence_and_frequency_can_leave_the_prompt_out()
    {
        SamplingOptions options = SamplingOptions.Greedy with
        {
            RepetitionPenalty = 2,
            PresencePenalty = 0.5f,
            FrequencyPenalty = 0.25f,
            PenaltyWindow = 4,
            PenalizePrompt = false,
        };
        Sampler sampler = new(options, 4);
        foreach (int token in new[] { 0, 1, 1 })
            sampler.Accept(token, isPrompt: true);
        sampler.Accept(1);
        float[] logits = [4, 4, 4, 4];
        sampler.Sample(logits);
        Assert.Equal([4 / 2f, 4 / 2f - 0.75f, 4, 4], logits);
        for (int i = 0; i < 3; i++)
            sampler.Accept(2); // the prompt leaves the window; the generated 1 stays
        logits = [4, 4, 4, 4];
        sampler.Sample(logits);
        Assert.Equal([4, 4 / 2f - 0.75f, 4 / 2f - 1.25f, 4], logits);
    }

    [Fact]
    public void An_unlimited_window_forgets_nothing_and_none_sees_nothing()
    {
        foreach ((int window, float expected) in new[] { (-1, 1 - 1000f), (0, 1f) })
        {
            Sampler sampler = new(SamplingOptions.Greedy with { FrequencyPenalty = 1, PenaltyWindow = window }, 2);
            for (int i = 0; i < 1000; i++)
                sampler.Accept(1);
            float[] logits = [2, 1];
            sampler.Sample(logits);
            Assert.Equal([2, expected], logits);
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(Plain, 2).Accept(2));
    }

    [Fact]
    public void Bias_moves_and_forbids()
    {
        SamplingOptions options = SamplingOptions.Greedy with
        {
            LogitBias = new Dictionary<int, float> { [0] = 5, [2] = float.NegativeInfinity },
        };
        Assert.Equal(0, new Sampler(options, 3).Sample([1, 2, 100]).Id);
    }

    [Fact]
    public void Log_probabilities_are_the_models_own()
    {
        SamplingOptions options = Plain with
        {
            LogProbs = 3,
            TopK = 1,
            Temperature = 0.1f,
            LogitBias = new Dictionary<int, float> { [4] = 100 },
        };
        float[] logits = [1, 3, 2, 3, -1, float.NegativeInfinity];
        double logSum = Math.Log(logits.Sum(x => Math.Exp(x)));
        Sampler sampler = new(options, logits.Length);
        SampledToken token = sampler.Sample([.. logits]);
        Assert.Equal(4, token.Id);
        Assert.Equal(-1 - logSum, token.LogProbability, 1e-6);
        Assert.Equal([1, 3, 2], sampler.TopLogProbabilities.ToArray().Select(top => top.Id));
        foreach (SampledToken top in sampler.TopLogProbabilities)
            Assert.Equal(logits[top.Id] - logSum, top.LogProbability, 1e-6);

        Sampler unasked = new(Plain, logits.Length);
        Assert.True(float.IsNaN(unasked.Sample([.. logits]).LogProbability));
        Assert.Equal(0, unasked.TopLogProbabilities.Length);
    }

    [Theory]
    [InlineData(0f, 0, 1f, 1f)]
    [InlineData(0.8f, 40, 0.95f, 1f)]
    [InlineData(1f, 0, 0.9f, 0.9f)]
    public void Allocates_nothing_after_the_first_token(float temperature, int topK, float topP, float typical)
    {
        SamplingOptions options = new()
        {
            Temperature = temperature,
            TopK = topK,
            TopP = topP,
            Typical = typical,
            RepetitionPenalty = 1.1f,
            LogProbs = 5,
            Seed = 3,
        };
        float[] logits = SomeLogits(5000), scratch = new float[5000];
        Sampler sampler = new(options, logits.Length);
        Step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            Step();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());

        void Step()
        {
            logits.CopyTo(scratch, 0);
            sampler.Accept(sampler.Sample(scratch).Id);
        }
    }

    [Fact]
    public void Selection_agrees_with_sorting() =>
        Gen.Float[-2, 2].Select(x => MathF.Round(x, 1)).Array[1, 400].SelectMany(keys => Gen.Int[0, keys.Length].Select(k => (keys, k)))
            .Sample(input =>
            {
                ulong[] best = new ulong[input.k];
                Selection.Best(input.keys, best);
                int[] expected = [.. Enumerable.Range(0, input.keys.Length).OrderByDescending(i => input.keys[i]).Take(input.k)];
                return best.Select(Selection.Index).SequenceEqual(expected);
            });

    [Fact]
    public void Selection_by_weight_agrees_with_sorting() =>
        Gen.Select(Gen.Int[-9, 9], Gen.Int[0, 3]).Array[1, 300].SelectMany(x => Gen.Int[0, 500].Select(sum => (x, sum)))
            .Sample(input =>
            {
                float[] keys = [.. input.x.Select(x => (float)x.Item1)], weights = [.. input.x.Select(x => (float)x.Item2)];
                int[] order = [.. Enumerable.Range(0, keys.Length).OrderByDescending(i => keys[i])];
                int last = 0;
                for (float reached = weights[order[0]]; reached < input.sum && last < order.Length - 1;)
                    reached += weights[order[++last]];
                return Selection.Index(Selection.LastOfBest(keys, weights, input.sum, new ulong[keys.Length])) == order[last];
            });

    [Fact]
    public void Exponentials_are_exact_to_a_few_ulp()
    {
        float[] x = [.. Enumerable.Range(0, 20_011).Select(i => -i * 0.005f)];
        float[] weights = new float[x.Length];
        double sum = VectorMath.Exponentials(x, 0, 1, weights);
        Assert.Equal(1f, weights[0]);
        for (int i = 0; i < x.Length; i++)
        {
            double expected = Math.Exp(x[i]);
            if (x[i] >= -87)
                Assert.InRange(weights[i] / expected, 1 - 4e-7, 1 + 4e-7);
            else
                Assert.Equal(0, weights[i]);
        }
        Assert.Equal(weights.Sum(w => (double)w), sum, 1e-9);
    }

    private static int[] Draw(SamplingOptions options, float[] logits, int count) =>
        Draw(new Sampler(options, logits.Length), logits, count);

    private static int[] Draw(Sampler sampler, float[] logits, int count)
    {
        float[] scratch = new float[logits.Length];
        int[] tokens = new int[count];
        foreach (ref int token in tokens.AsSpan())
        {
            logits.CopyTo(scratch, 0);
            token = sampler.Sample(scratch).Id;
        }
        return tokens;
    }

    /// <summary>Normal-like logits with ties among them.</summary>
    private static float[] SomeLogits(int length, int seed = 5)
    {
        Random random = new(seed);
        float[] logits = new float[length];
        foreach (ref float logit in logits.AsSpan())
            logit = MathF.Round(4 * (random.NextSingle() + random.NextSingle() + random.NextSingle()), 1);
        return logits;
    }
}
