using System.Text.Json;
using Sluice.Tensors.Formats;

namespace Sluice.Compression.Tests;

/// <summary>GPTQ against the errors that the published code reaches (tests/data/gptq).</summary>
public class GptqTests(ITestOutputHelper output)
{
    private static readonly GoldenLayer Layer = new("gptq");

    public static TheoryData<string> Cases =>
        new(Layer.Index.GetProperty("cases").EnumerateArray().Select(c => c.GetProperty("name").GetString()!));

    [Theory]
    [MemberData(nameof(Cases))]
    public void Error_is_that_of_the_published_code(string name)
    {
        JsonElement c = Layer.Index.GetProperty("cases").EnumerateArray().Single(c => c.GetProperty("name").GetString() == name);
        int group = c.GetProperty("groupSize").GetInt32();
        IntegerGrid grid = new(c.GetProperty("bits").GetInt32(), group < 0 ? Layer.Columns : group, c.GetProperty("sym").GetBoolean());
        GptqFactor factor = GptqFactor.Create(Layer.Pool, Layer.Gram, Layer.Columns, actOrder: c.GetProperty("actOrder").GetBoolean());

        double rtn = Error(RoundToNearest.Round(Layer.Weights, Layer.Rows, Layer.Columns, grid));
        double gptq = Error(Gptq.Round(Layer.Pool, Layer.Weights, factor, grid));

        double listed = c.GetProperty("outputNmse").GetDouble(), listedRtn = c.GetProperty("rtnOutputNmse").GetDouble();
        output.WriteLine($"{name}: {gptq / listed:F4} of the listed error, {gptq / rtn:F3} of rounding to nearest");
        Assert.Equal(1, rtn / listedRtn, 1e-4);
        Assert.True(gptq <= 1.02 * listed, $"{gptq} is more than 1.02 * {listed}");
        Assert.True(gptq < rtn);
    }

    [Theory]
    [InlineData(TensorType.Q4_0, false)]
    [InlineData(TensorType.Q4_0, true)]
    [InlineData(TensorType.Q8_0, true)]
    [InlineData(TensorType.Q4_1, false)]
    [InlineData(TensorType.Q5_0, true)]
    [InlineData(TensorType.Q5_1, false)]
    [InlineData(TensorType.Q2_K, true)]
    [InlineData(TensorType.Q3_K, false)]
    [InlineData(TensorType.IQ4_NL, true)]
    [InlineData(TensorType.IQ4_XS, false)]
    [InlineData(TensorType.MXFP4, false)]
    [InlineData(TensorType.NVFP4, true)]
    [InlineData(TensorType.Q4_K, false)]
    [InlineData(TensorType.Q5_K, true)]
    [InlineData(TensorType.Q6_K, true)]
    public void Rounds_to_the_blocks_of_formats(TensorType type, bool actOrder)
    {
        WeightFormat format = WeightFormats.Get(type);
        GptqFactor factor = GptqFactor.Create(Layer.Pool, Layer.Gram, Layer.Columns, actOrder: actOrder);
        RoundedMatrix rounded = Gptq.Round(Layer.Pool, Layer.Weights, factor, new BlockGrid(format));
        byte[] plain = new byte[format.Bytes(Layer.Weights.Length)];
        format.Quantize(Layer.Weights, plain);

        float[] stored = Decode(format, rounded.Encode());
        Assert.Equal(rounded.Restore(), stored);
        double gptq = Layer.OutputError(stored), nearest = Layer.OutputError(Decode(format, plain));
        output.WriteLine($"{type}: {gptq / nearest:F3} of rounding to nearest");
        Assert.True(gptq < 0.75 * nearest, $"{gptq} is not well below {nearest}");
    }

    [Fact]
    public void Inputs_that_are_all_alike_need_more_damping()
    {
        float[] gram = new float[64 * 64];
        Array.Fill(gram, 1e6f);
        float[] weights = [.. Enumerable.Range(0, 64).Select(i => MathF.Sin(i))];
        GptqFactor factor = GptqFactor.Create(Layer.Pool, gram, 64, damping: 0);
        float[] rounded = Gptq.Round(Layer.Pool, weights, factor, new IntegerGrid(3, 32, true)).Restore();
        // Only the sum of the weights counts.
        Assert.Equal(weights.Sum(), rounded.Sum(), 0.2f);
    }

    [Fact]
    public void Without_inputs_it_rounds_to_nearest()
    {
        IntegerGrid grid = new(4, 32, false);
        float[] nothing = new float[Layer.Gram.Length], ones = [.. Enumerable.Repeat(1f, Layer.Columns)];
        Assert.Equal(
            RoundToNearest.Round(Layer.Weights, Layer.Rows, Layer.Columns, grid, ones).Restore(),
            Gptq.Round(Layer.Pool, Layer.Weights, GptqFactor.Create(Layer.Pool, nothing, Layer.Columns), grid).Restore());
    }

    [Fact]
    public void Inputs_that_are_no_numbers_are_refused()
    {
        float[] gram = [.. Layer.Gram];
        gram[0] = float.NaN;
        Assert.Throws<InvalidDataException>(() => GptqFactor.Create(Layer.Pool, gram, Layer.Columns));
    }

    private static double Error(RoundedMatrix rounded) =>
        OutputError.Relative(Layer.Pool, Layer.Weights, rounded.Restore(), Layer.Rows, Layer.Columns, Layer.Gram);

    private static float[] Decode(WeightFormat format, byte[] blocks)
    {
        float[] values = new float[Layer.Weights.Length];
        format.Dequantize(blocks, values);
        return values;
    }
}
