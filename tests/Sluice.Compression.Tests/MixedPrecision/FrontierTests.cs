using CsCheck;

namespace Sluice.Compression.Tests;

public class FrontierTests
{
    private static readonly Gen<(long Bytes, double Loss)[][]> Instances =
        Gen.Select(Gen.Long[1, 60], Gen.Double[0, 1]).Array[1, 4].Array[1, 6];

    [Fact]
    public void Every_point_is_the_best_that_brute_force_finds() => Instances.Sample(tensors =>
    {
        Frontier frontier = new(tensors);
        (long Bytes, double Loss)[] all = [.. All(tensors)];
        foreach (long budget in all.Select(sum => sum.Bytes).Append(all.Min(sum => sum.Bytes) - 1).Distinct())
        {
            (long Bytes, double Loss)[] fit = [.. all.Where(sum => sum.Bytes <= budget)];
            int point = frontier.Within(budget);
            if (fit.Length == 0)
                Assert.Equal(-1, point);
            else
                Assert.Equal(fit.Min(sum => sum.Loss), frontier.Points[point].Loss, 1e-12);
        }
    });

    [Fact]
    public void Points_are_sums_of_their_choices_and_lose_less_the_larger_they_are() => Instances.Sample(tensors =>
    {
        foreach (int most in (int[])[1 << 15, 5])
        {
            Frontier frontier = new(tensors, most);
            for (int point = 0; point < frontier.Points.Count; point++)
            {
                (long bytes, double loss) = frontier.Points[point];
                int[] choices = frontier.Choices(point);
                Assert.Equal(choices.Select((choice, tensor) => tensors[tensor][choice].Bytes).Sum(), bytes);
                Assert.Equal(choices.Select((choice, tensor) => tensors[tensor][choice].Loss).Sum(), loss, 1e-12);
                if (point > 0)
                    Assert.True(bytes > frontier.Points[point - 1].Bytes && loss < frontier.Points[point - 1].Loss);
                Assert.Equal(point, frontier.WithLoss(loss));
            }
            Assert.Equal(tensors.Sum(choices => choices.Min(choice => choice.Bytes)), frontier.Points[0].Bytes);
        }
    });

    [Fact]
    public void Thinned_it_loses_little()
    {
        // Sizes as of a model's types, but all tensors of sizes of their own, so that there are many sums.
        Random random = new(1);
        (long, double)[][] tensors = [.. Enumerable.Range(0, 40).Select(_ =>
        {
            int blocks = random.Next(1000, 100_000);
            double weight = Math.Exp(4 * random.NextDouble());
            return new[] { 84, 110, 136, 144, 176, 210, 272 }.Select(bytes => ((long)bytes * blocks, weight * Math.Pow(4, -bytes / 32.0))).ToArray();
        })];
        Frontier fine = new(tensors), thin = new(tensors, 1 << 11);
        Assert.InRange(thin.Points.Count, 2, 1 << 11);
        Assert.True(fine.Points.Count > 2 * thin.Points.Count);
        for (int i = 1; i < 20; i++)
        {
            long budget = fine.Points[0].Bytes + i * (fine.Points[^1].Bytes - fine.Points[0].Bytes) / 20;
            Assert.InRange(thin.Points[thin.Within(budget)].Loss / fine.Points[fine.Within(budget)].Loss, 0.999, 1.03);
        }
    }

    [Theory]
    [InlineData(1, 0.2)]
    [InlineData(1.5, 0.05)]
    [InlineData(0.6, 1.7)]
    public void Measured_losses_decide_where_they_differ_from_the_sums(double factor, double most)
    {
        (long, double)[][] tensors = [.. Enumerable.Range(1, 30).Select(i => new (long, double)[] { (i, 1.0 / i), (2 * i + 3, 0.3 / i), (4 * i + 1, 0.01 / i) })];
        Frontier frontier = new(tensors);
        int measured = 0;
        double Measure(int point)
        {
            measured++;
            return factor * Math.Pow(frontier.Points[point].Loss, 1.1);
        }
        int found = DivergenceSearch.Smallest(frontier, most, Measure);
        Assert.InRange(measured, 1, 12);
        Assert.True(Measure(found) <= most);
        int smallest = Enumerable.Range(0, frontier.Points.Count).First(point => Measure(point) <= most);
        Assert.InRange((double)frontier.Points[found].Bytes / frontier.Points[smallest].Bytes, 1, 1.01);
    }

    [Fact]
    public void A_loss_that_no_point_comes_down_to_is_refused()
    {
        Frontier frontier = new([[(1L, 1.0), (2L, 0.5), (3L, 0.2)]]);
        ArgumentException error = Assert.Throws<ArgumentException>(() => DivergenceSearch.Smallest(frontier, 0.1, point => frontier.Points[point].Loss));
        Assert.Contains("0.2", error.Message);
        Assert.Equal(0, DivergenceSearch.Smallest(frontier, 2, point => frontier.Points[point].Loss));
    }

    private static IEnumerable<(long Bytes, double Loss)> All(IReadOnlyList<(long Bytes, double Loss)[]> tensors) =>
        tensors.Aggregate((IEnumerable<(long Bytes, double Loss)>)[(0L, 0.0)], (sums, choices) =>
            sums.SelectMany(sum => choices.Select(choice => (sum.Bytes + choice.Bytes, sum.Loss + choice.Loss))));
}
