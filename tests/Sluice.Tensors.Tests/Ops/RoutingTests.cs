using Sluice.Tensors.Cpu;

namespace Sluice.Tensors;

/// <summary>The choice of experts among groups of them, written as the papers describe it.</summary>
public class RoutingTests
{
    private const int Rows = 50;

    /// <summary>
    /// DeepSeek-V2 compares groups by their best expert, V3 by the sum of their two best, with a bias for the choice alone.
    /// </summary>
    [Theory]
    [InlineData(Gating.Softmax, 1, 16, 8, 3, 6, false)]
    [InlineData(Gating.Softmax, 1, 16, 4, 1, 4, false)]
    [InlineData(Gating.Sigmoid, 2, 16, 4, 2, 6, true)]
    [InlineData(Gating.Sigmoid, 2, 12, 12, 5, 5, true)] // of one expert each
    public void Experts_of_the_best_groups_are_chosen(Gating gating, int bestOfGroup, int experts, int groups, int groupsUsed, int used, bool hasBias)
    {
        Random random = new(7);
        using ScalarOps scalar = new();
        using CpuOps fast = new(2);
        Tensor logits = scalar.Allocate(Rows, experts), bias = hasBias ? scalar.Allocate(1, experts) : default;
        for (int row = 0; row < Rows; row++)
            Fill(logits[row], 4);
        if (hasBias)
            Fill(bias[0], 0.2f);
        Router router = new(used, gating)
        {
            Groups = groups,
            GroupsUsed = groupsUsed,
            BestOfGroup = bestOfGroup,
            ChoiceBias = bias,
            Scale = 2.5f,
        };
        foreach (Ops ops in (Ops[])[scalar, fast])
        {
            Routing routing = ops.Route(logits, router);
            for (int row = 0; row < Rows; row++)
            {
                double[] scores = Array.ConvertAll(logits[row].ToArray(), logit => gating == Gating.Softmax ? Math.Exp(logit) : 1 / (1 + Math.Exp(-logit)));
                double sum = scores.Sum();
                if (gating == Gating.Softmax)
                    scores = Array.ConvertAll(scores, score => score / sum);
                double[] biased = [.. scores.Select((score, e) => score + (hasBias ? bias[0][e] : 0))];
                int size = experts / groups;
                int[] kept = [.. Enumerable.Range(0, groups)
                    .OrderByDescending(g => biased.Skip(g * size).Take(size).OrderDescending().Take(bestOfGroup).Sum()).Take(groupsUsed)];
                int[] expected = [.. Enumerable.Range(0, experts).Where(e => kept.Contains(e / size)).OrderByDescending(e => biased[e]).Take(used)];
                Assert.Equal(expected, routing[row].ToArray());
                for (int j = 0; j < used; j++)
                    Assert.Equal(2.5 * scores[expected[j]], routing.Weights[row][j], 1e-5);
            }
        }

        void Fill(Span<float> values, float range)
        {
            foreach (ref float value in values)
                value = range * (random.NextSingle() - 0.5f);
        }
    }
}
