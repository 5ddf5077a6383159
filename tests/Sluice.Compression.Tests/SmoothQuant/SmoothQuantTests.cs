using System.Text.Json;

namespace Sluice.Compression.Tests;

/// <summary>SmoothQuant against the errors of tests/data/awq, a layer whose inputs have outlier channels.</summary>
public class SmoothQuantTests(ITestOutputHelper output)
{
    private static readonly GoldenLayer Layer = new("awq");
    private static readonly InputStatistics Inputs = Layer.Statistics(samples: true);

    private static float[] LargestWeights =>
        [.. Enumerable.Range(0, Layer.Columns).Select(i => Enumerable.Range(0, Layer.Rows).Max(r => MathF.Abs(Layer.Weights[r * Layer.Columns + i])))];

    [Theory]
    [InlineData("per-token", ActivationRounding.PerToken)]
    [InlineData("per-tensor", ActivationRounding.PerTensor)]
    public void Errors_are_those_listed_and_the_search_finds_a_better_one(string listed, ActivationRounding rounding)
    {
        double best = double.MaxValue;
        foreach (JsonElement c in Layer.Index.GetProperty("smoothquant").EnumerateArray().Where(c => c.GetProperty("activations").GetString() == listed))
        {
            float alpha = c.GetProperty("alpha").GetSingle();
            double naive = Error([.. Enumerable.Repeat(1f, Layer.Columns)], rounding);
            double smoothed = Error(SmoothQuant.Scales(Inputs.MaxAbs, LargestWeights, alpha), rounding);
            double listedNaive = c.GetProperty("naiveOutputNmse").GetDouble(), listedSmoothed = c.GetProperty("smoothedOutputNmse").GetDouble();
            output.WriteLine($"{listed}, alpha {alpha}: naive {naive / listedNaive:F4}, smoothed {smoothed / listedSmoothed:F4} of the listed errors");
            Assert.Equal(1, naive / listedNaive, 0.02);
            Assert.True(smoothed <= 1.02 * listedSmoothed, $"{smoothed} is more than 1.02 * {listedSmoothed}");
            best = Math.Min(best, listedSmoothed);
        }
        (_, float found, double error) = SmoothQuant.Search(Layer.Pool, Layer.Weights, Inputs, rounding);
        output.WriteLine($"{listed}: searched alpha {found}, {error / best:F4} of the best listed error");
        Assert.True(error <= best, $"{error} is more than {best}");
    }

    [Fact]
    public void Outliers_hurt_groups_too()
    {
        double naive = Error([.. Enumerable.Repeat(1f, Layer.Columns)], ActivationRounding.PerGroup);
        double smoothed = SmoothQuant.Search(Layer.Pool, Layer.Weights, Inputs, ActivationRounding.PerGroup).Error;
        output.WriteLine($"groups of 32: {smoothed / naive:F3} of the error without smoothing");
        Assert.True(smoothed < 0.9 * naive, $"{smoothed} is not below {naive}");
    }

    private static double Error(float[] scales, ActivationRounding rounding) =>
        SmoothQuant.Error(Layer.Pool, Layer.Weights, Inputs, scales, rounding);
}
