using System.Text.Json;
using Sluice.Tensors;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;

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

    /// <summary>W8A8 as it is run: weights with a scale a row, by the integer kernels with a scale a token, and with one for every 32 columns or 256.</summary>
    [Fact]
    public void The_kernels_reach_the_listed_errors()
    {
        JsonElement listed = Layer.Index.GetProperty("smoothquant").EnumerateArray().Single(
            c => c.GetProperty("activations").GetString() == "per-token" && c.GetProperty("alpha").GetSingle() == 0.5f);
        float[] ones = [.. Enumerable.Repeat(1f, Layer.Columns)], scales = SmoothQuant.Scales(Inputs.MaxAbs, LargestWeights, 0.5f);
        double naive = Run(ones, ActivationPrecision.Int8Token), smoothed = Run(scales, ActivationPrecision.Int8Token);
        double weightsOnly = Run(ones, ActivationPrecision.BF16), fp8 = Run(ones, ActivationPrecision.FP8);
        output.WriteLine($"W8A8 a scale a token: {naive:G3}, smoothed {smoothed:G3}; W8 with bf16 {weightsOnly:G3}, with fp8 {fp8:G3}, with f32 {Run(ones, ActivationPrecision.F32):G3}");
        Assert.Equal(1, naive / listed.GetProperty("naiveOutputNmse").GetDouble(), 0.02);
        Assert.True(smoothed <= 1.02 * listed.GetProperty("smoothedOutputNmse").GetDouble(), $"{smoothed}");
        Assert.True(weightsOnly < smoothed && smoothed < naive);
    }

    /// <summary>The same with one scale for all tokens, in the range of the calibration inputs.</summary>
    [Fact]
    public void Static_scales_reach_the_listed_errors()
    {
        JsonElement listed = Layer.Index.GetProperty("smoothquant").EnumerateArray().Single(
            c => c.GetProperty("activations").GetString() == "per-tensor" && c.GetProperty("alpha").GetSingle() == 0.5f);
        float[] ones = [.. Enumerable.Repeat(1f, Layer.Columns)], scales = SmoothQuant.Scales(Inputs.MaxAbs, LargestWeights, 0.5f);
        float[] searched = SmoothQuant.Search(Layer.Pool, Layer.Weights, Inputs, ActivationRounding.PerTensor).Scales;
        double naive = Run(ones, ActivationPrecision.Int8Static), smoothed = Run(scales, ActivationPrecision.Int8Static), best = Run(searched, ActivationPrecision.Int8Static);
        double fp8 = Run(ones, ActivationPrecision.FP8Static), smoothedFp8 = Run(searched, ActivationPrecision.FP8Static);
        output.WriteLine($"W8A8 one scale: {naive:G3}, smoothed {smoothed:G3}, by search {best:G3}; a scale a token by search {Run(searched, ActivationPrecision.Int8Token):G3}; "
            + $"fp8 one scale {fp8:G3}, smoothed {smoothedFp8:G3}, a scale a token {Run(searched, ActivationPrecision.FP8):G3}");
        Assert.Equal(1, naive / listed.GetProperty("naiveOutputNmse").GetDouble(), 0.02);
        Assert.True(smoothed <= 1.02 * listed.GetProperty("smoothedOutputNmse").GetDouble(), $"{smoothed}");
        Assert.True(best <= smoothed && smoothed < naive, $"{best}, {smoothed}, {naive}");
    }

    /// <summary>The outputs' error of the layer with its columns multiplied by scales, as <see cref="CpuOps"/> computes it.</summary>
    private static double Run(float[] scales, ActivationPrecision activations)
    {
        int columns = Layer.Columns, tokens = Layer.Inputs.Length / columns;
        GroupedFormat format = (GroupedFormat)WeightFormats.Get("W8G256_F32");
        Assert.Equal(format.BlockSize, columns); // so that a row has one scale
        byte[] bytes = new byte[format.Bytes(Layer.Weights.Length)];
        for (int r = 0; r < Layer.Rows; r++)
        {
            Span<byte> block = bytes.AsSpan(r * format.BlockBytes, format.BlockBytes);
            float[] row = [.. Enumerable.Range(0, columns).Select(i => Layer.Weights[r * columns + i] * scales[i])];
            float scale = row.Max(MathF.Abs) / 127;
            format.WriteHeader(scale, 0, block);
            for (int i = 0; i < columns; i++)
                block[format.HeaderBytes + i] = (byte)(128 + (int)MathF.Round(row[i] / scale));
        }
        using CpuOps ops = new(2) { Activations = activations };
        float range = Enumerable.Range(0, columns).Max(i => Inputs.MaxAbs[i] / scales[i]);
        Weight weight = ops.LoadWeight(WeightData.FromBytes("layer", format, columns, Layer.Rows, 1, bytes).WithInputRange(range));
        Tensor x = ops.Allocate(tokens, columns);
        for (int t = 0; t < tokens; t++)
        {
            for (int i = 0; i < columns; i++)
                x[t][i] = Layer.Inputs[t * columns + i] / scales[i];
        }
        Tensor y = ops.Linear(x, weight);
        double error = 0, power = 0;
        for (int t = 0; t < tokens; t++)
        {
            for (int r = 0; r < Layer.Rows; r++)
            {
                double exact = 0;
                for (int i = 0; i < columns; i++)
                    exact += (double)Layer.Weights[r * columns + i] * Layer.Inputs[t * columns + i];
                (error, power) = (error + (y[t][r] - exact) * (y[t][r] - exact), power + exact * exact);
            }
        }
        return error / power;
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
