using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>Inputs of linear maps rounded as they are asked to be.</summary>
public class ActivationPrecisionTests
{
    public static TheoryData<string, ActivationPrecision> All
    {
        get
        {
            TheoryData<string, ActivationPrecision> all = [];
            foreach (Kernels kernels in Kernels.All())
            {
                foreach (ActivationPrecision precision in Enum.GetValues<ActivationPrecision>())
                    all.Add(kernels.Name, precision);
            }
            return all;
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Equals_the_definition(string kernels, ActivationPrecision precision)
    {
        Random random = new(1);
        using CpuOps ops = new(2, Kernels.All().Single(k => k.Name == kernels)) { Activations = precision };
        using ScalarOps scalar = new() { Activations = precision };
        string[][] weights =
        [
            ["Q4_0"], ["Q4_K"], ["Q6_K"], ["IQ2_XS"], ["MXFP4"], ["W4G128Z"], ["W3G64"], ["F16"], ["F32"], ["BF16"], ["NF4"], ["F8_E4M3"],
            ["Q8_0", "BF16", "F32", "Q2_K"],
        ];
        foreach (string[] names in weights)
        {
            WeightData[] parts = [.. names.Select(name => RandomWeights.Data(WeightFormats.Get(name), 512, 35, random))];
            using ScratchScope scope = scalar.Scratch(), scope2 = ops.Scratch();
            Tensor x = RandomTensor(scalar, 70, 512, random);
            Tensor expected = scalar.Linear(x, scalar.LoadWeight(parts));
            Weight weight = ops.LoadWeight(parts);
            foreach (int tokens in (int[])[1, 7, 70])
            {
                Tensor first = scalar.Allocate(tokens, 512);
                for (int row = 0; row < tokens; row++)
                    x[row].CopyTo(first[row]);
                Tensor actual = ops.Linear(first, weight);
                for (int row = 0; row < tokens; row++)
                    Assert.Equal(Bits(expected[row]), Bits(actual[row]));
            }
        }
    }

    [Theory]
    [InlineData(ActivationPrecision.F32, 0, 1e-12)]
    [InlineData(ActivationPrecision.BF16, 1e-7, 1e-5)]
    [InlineData(ActivationPrecision.Int8, 1e-6, 1e-4)]
    [InlineData(ActivationPrecision.Int8Token, 1e-6, 1e-3)]
    [InlineData(ActivationPrecision.FP8, 1e-4, 2e-3)]
    public void The_error_is_that_of_the_rounding(ActivationPrecision precision, double least, double most)
    {
        Random random = new(2);
        WeightData data = RandomWeights.Data(WeightFormats.Get("Q4_K"), 1024, 64, random);
        using CpuOps ops = new(1) { Activations = precision };
        using ScalarOps scalar = new();
        Tensor x = RandomTensor(scalar, 8, 1024, random), y = ops.Linear(x, ops.LoadWeight(data));
        double error = 0, sum = 0;
        float[] weights = new float[1024];
        for (int r = 0; r < 64; r++)
        {
            data.Format.Dequantize(data.Row(r), weights);
            for (int row = 0; row < 8; row++)
            {
                double exact = 0;
                for (int i = 0; i < weights.Length; i++)
                    exact += (double)weights[i] * x[row][i];
                (error, sum) = (error + Math.Pow(y[row][r] - exact, 2), sum + exact * exact);
            }
        }
        Assert.InRange(error / sum, least, most);
    }

    [Fact]
    public void What_is_not_finite_and_what_is_tiny()
    {
        using ScalarOps scalar = new();
        foreach (ActivationPrecision precision in Enum.GetValues<ActivationPrecision>())
        {
            using ScalarOps reference = new() { Activations = precision };
            using CpuOps ops = new(1) { Activations = precision };
            foreach (float value in (float[])[0, -0f, float.Epsilon, 1e-38f, -1e-37f, float.MaxValue, float.PositiveInfinity, float.NaN])
            {
                WeightData data = RandomWeights.Data(WeightFormats.Get("F32"), 70, 16, new Random(3));
                Tensor x = RandomTensor(scalar, 1, 70, new Random(4));
                x[0][40] = value;
                Tensor expected = reference.Linear(x, reference.LoadWeight(data)), actual = ops.Linear(x, ops.LoadWeight(data));
                Assert.Equal(Bits(expected[0]), Bits(actual[0]));
            }
        }
    }

    private static int[] Bits(ReadOnlySpan<float> values)
    {
        int[] bits = new int[values.Length];
        for (int i = 0; i < bits.Length; i++)
            bits[i] = float.IsNaN(values[i]) ? -1 : BitConverter.SingleToInt32Bits(values[i]);
        return bits;
    }

    private static Tensor RandomTensor(ScalarOps ops, int rows, int columns, Random random)
    {
        Tensor x = ops.Allocate(rows, columns);
        for (int row = 0; row < rows; row++)
        {
            foreach (ref float value in x[row])
                value = (random.NextSingle() - 0.5f) * MathF.Exp(4 * random.NextSingle());
        }
        return x;
    }
}
