using System.Text.Json;
using Sluice.Tensors.Formats;

namespace Sluice.Compression.Tests;

/// <summary>AWQ against the errors that the published search reaches (tests/data/awq).</summary>
public class AwqTests(ITestOutputHelper output)
{
    private static readonly GoldenLayer Layer = new("awq");
    private static readonly InputStatistics Inputs = Layer.Statistics();

    public static TheoryData<int, int> Cases =>
        new(Layer.Index.GetProperty("awq").EnumerateArray().Select(c => (c.GetProperty("bits").GetInt32(), c.GetProperty("groupSize").GetInt32())));

    [Theory]
    [MemberData(nameof(Cases))]
    public void Errors_are_those_of_the_published_search(int bits, int group)
    {
        JsonElement c = Layer.Index.GetProperty("awq").EnumerateArray()
            .Single(c => c.GetProperty("bits").GetInt32() == bits && c.GetProperty("groupSize").GetInt32() == group);
        IntegerGrid grid = new(bits, group, symmetric: false);
        (float[] scales, float power, double error) = Awq.SearchScales(Layer.Pool, Layer.Weights, Inputs, grid);
        double scaled = error / OutputError.Of(Layer.Pool, Layer.Weights, Layer.Rows, Layer.Columns, Layer.Gram);
        double clipped = Error(Awq.Round(Layer.Pool, Scaled(scales), scales, Layer.Gram, grid), scales);

        double listedScaled = c.GetProperty("scaledOutputNmse").GetDouble(), listedClipped = c.GetProperty("scaledAndClippedOutputNmse").GetDouble();
        output.WriteLine($"{bits} bits, groups of {group}: power {power} (listed {c.GetProperty("ratio")}), scaled {scaled / listedScaled:F4}, clipped {clipped / listedClipped:F4} of the listed errors");
        Assert.True(scaled <= 1.02 * listedScaled, $"scaled: {scaled} is more than 1.02 * {listedScaled}");
        Assert.True(clipped <= 1.02 * listedClipped, $"clipped: {clipped} is more than 1.02 * {listedClipped}");
        Assert.True(clipped < c.GetProperty("rtnOutputNmse").GetDouble());
    }

    [Theory]
    [InlineData(TensorType.Q4_0)]
    [InlineData(TensorType.Q4_K)]
    public void Scaled_weights_round_better_to_the_blocks_of_formats(TensorType type)
    {
        BlockGrid grid = new(WeightFormats.Get(type));
        float[] scales = Awq.SearchScales(Layer.Pool, Layer.Weights, Inputs, grid).Scales;
        double awq = Error(Awq.Round(Layer.Pool, Scaled(scales), scales, Layer.Gram, grid), scales);
        double nearest = Layer.OutputError(RoundToNearest.Round(Layer.Weights, Layer.Rows, Layer.Columns, grid).Restore());
        output.WriteLine($"{type}: {awq / nearest:F3} of rounding to nearest");
        Assert.True(awq < 0.6 * nearest, $"{awq} is not well below {nearest}");
    }

    private static float[] Scaled(float[] scales) => [.. Layer.Weights.Select((w, i) => w * scales[i % Layer.Columns])];

    private static double Error(RoundedMatrix rounded, float[] scales)
    {
        float[] values = rounded.Restore();
        for (int i = 0; i < values.Length; i++)
            values[i] /= scales[i % Layer.Columns];
        return Layer.OutputError(values);
    }
}
