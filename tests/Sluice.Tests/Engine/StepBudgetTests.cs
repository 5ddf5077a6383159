using CsCheck;

namespace Sluice.Tests.Engine;

public class StepBudgetTests
{
    [Fact]
    public void Costs_are_found_from_steps_of_different_sizes() =>
        Gen.Select(Gen.Double[0.001, 0.05], Gen.Double[0, 0.005], Gen.Double[0, 0.01], Gen.Select(Gen.Int[0, 40], Gen.Int[0, 300]).Array[30, 60]).Sample(
            (least, perDecode, perPrompt, steps) =>
            {
                StepCost cost = new();
                foreach ((int decoding, int prompt) in steps)
                    cost.Observe(decoding, prompt, least + (perDecode * decoding) + (perPrompt * prompt));
                // A cost too small to make a difference may be left out.
                foreach ((int decoding, int prompt) in ((int, int)[])[(1, 0), (40, 0), (0, 300), (7, 100)])
                {
                    double expected = least + (perDecode * decoding) + (perPrompt * prompt);
                    Assert.InRange(cost.Seconds(decoding, prompt), expected * 0.99, expected * 1.01);
                }
            });

    /// <summary>Steps of one size say nothing of others, and noise makes no cost negative.</summary>
    [Fact]
    public void Costs_are_sensible_whatever_was_measured() =>
        Gen.Select(Gen.Int[0, 3], Gen.Int[0, 3], Gen.Double[1e-6, 0.1]).Array[1, 40].Sample(steps =>
        {
            StepCost cost = new();
            foreach ((int decoding, int prompt, double seconds) in steps)
            {
                cost.Observe(decoding, prompt, seconds);
                Assert.True(cost.Fixed >= 0 && cost.PerDecode >= 0 && cost.PerPrompt >= 0);
                Assert.True(double.IsFinite(cost.Seconds(100, 100)));
            }
            Assert.InRange(cost.Seconds(steps[0].Item1, steps[0].Item2), 0, 0.3);
        });

    [Fact]
    public void Costs_follow_a_machine_that_slows_down()
    {
        StepCost cost = new();
        for (int i = 0; i < 500; i++)
            cost.Observe(i % 8, i * 7 % 100, (i < 100 ? 1 : 3) * (0.01 + (0.001 * (i % 8)) + (0.0002 * (i * 7 % 100))));
        Assert.Equal(0.0006, cost.PerPrompt, 1e-5);
    }

    [Fact]
    public void Without_a_target_a_step_is_as_large_as_the_options_say()
    {
        StepBudget budget = new(512, 256, null);
        budget.Observe(4, 100, 10);
        Assert.Equal((256, 512, 412), (budget.RunningLimit, budget.PromptTokens(0), budget.PromptTokens(100)));
        Assert.Equal(1, new StepBudget(1, 256, null).RunningLimit);
    }

    /// <summary>A machine of known costs: steps come to stay within the target, and to use most of it.</summary>
    [Theory]
    [InlineData(0.010, 0.0005, 0.0004)]
    [InlineData(0.020, 0.0040, 0.0002)]
    [InlineData(0.001, 0.0001, 0.0030)]
    public void Steps_come_to_fill_the_target(double least, double perDecode, double perPrompt)
    {
        const double Target = 0.050;
        StepBudget budget = new(512, 256, TimeSpan.FromSeconds(Target));
        double seconds = 0;
        for (int i = 0; i < 60; i++)
        {
            int prompt = budget.PromptTokens(6);
            seconds = least + (perDecode * 6) + (perPrompt * prompt);
            // Trying larger sizes never goes far beyond: each is judged by those before it.
            Assert.True(i < 3 || seconds < Target * 1.05 || prompt <= 64, $"{seconds} s at step {i}");
            budget.Observe(6, i % 2 == 0 ? prompt : 0, i % 2 == 0 ? seconds : seconds - (perPrompt * prompt));
        }
        Assert.True(budget.PromptTokens(6) is var tokens && (tokens == 506 || seconds > Target * 0.9), $"{seconds} s, {tokens} tokens");
        Assert.Equal(512, budget.PromptTokens(0)); // nobody waits for a token
    }

    [Fact]
    public void As_many_run_as_give_most_tokens_within_the_target()
    {
        StepBudget budget = new(512, 256, TimeSpan.FromMilliseconds(40));
        Assert.Equal(1, budget.RunningLimit);
        int running = 0;
        for (int i = 0; i < 200; i++)
        {
            running = Math.Min(running + 1, budget.RunningLimit);
            budget.Observe(running, 0, 0.010 + (0.002 * running));
        }
        Assert.InRange(budget.RunningLimit, 13, 15); // 10 + 15 * 2 = 40 ms

        // Where more at once give fewer tokens a second, fewer run, whatever the target.
        StepBudget thrashing = new(512, 256, TimeSpan.FromSeconds(1));
        for (int i = 0; i < 32 * 8; i++)
            thrashing.Observe(1 + (i / 8), 0, 1 + (i / 8) is var count && count <= 12 ? 0.010 + (0.001 * count) : 0.010 + (0.004 * count));
        Assert.Equal(12, Enumerable.Range(1, 32).MaxBy(count => count / (count <= 12 ? 0.010 + (0.001 * count) : 0.010 + (0.004 * count))));
        Assert.Equal(12, thrashing.RunningLimit);
    }

    /// <summary>A size that was slow once, as when the machine was busy, is tried again.</summary>
    [Fact]
    public void One_slow_moment_is_not_held_against_a_size()
    {
        StepBudget budget = new(512, 256, TimeSpan.FromMilliseconds(100));
        int running = 0;
        for (int i = 0; i < 3000; i++)
        {
            running = Math.Min(8, Math.Min(running + 1, budget.RunningLimit));
            budget.Observe(running, 0, running == 8 && i < 40 ? 5 : 0.010 + (0.001 * running));
        }
        Assert.Equal(8, running);
        Assert.True(budget.RunningLimit > 8);
    }

    [Fact]
    public void A_target_that_cannot_be_kept_still_lets_everything_go_on()
    {
        StepBudget budget = new(64, 256, TimeSpan.FromMilliseconds(1));
        for (int i = 0; i < 20; i++)
            budget.Observe(1, i % 2 * 16, 0.1 + (i % 2 * 0.1));
        Assert.Equal((1, 16), (budget.RunningLimit, budget.PromptTokens(1)));
    }
}
