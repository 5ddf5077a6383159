using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>Linear maps whose inputs are rotated first.</summary>
public class OnlineRotationTests(ITestOutputHelper output)
{
    public static TheoryData<string> AllKernels => KernelsTests.AllKernels;

    /// <summary>Alone, beside maps without a rotation, and before what else is done to inputs.</summary>
    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(AllKernels))]
    public void Equals_the_definition(string kernels)
    {
        Random random = new(1);
        foreach (ActivationPrecision precision in (ActivationPrecision[])[ActivationPrecision.Auto, ActivationPrecision.Int8Token, ActivationPrecision.FP8Static])
        {
            using CpuOps ops = new(2, Kernels.All().Single(k => k.Name == kernels)) { Activations = precision };
            using ScalarOps scalar = new() { Activations = precision };
            foreach (string format in (string[])["Q8_0", "Q4_K", "F32", "BF16", "NF4"])
            {
                WeightData plain = RandomWeights.Data(WeightFormats.Get(format), 768, 48, random), rotated = plain.WithRotation();
                WeightData[][] joined = [[rotated], [rotated, rotated], [plain, rotated], [rotated.WithThreshold(0.2f).WithInputRange(0.7f)]];
                foreach (WeightData[] parts in joined)
                {
                    using ScratchScope scope = scalar.Scratch(), scope2 = ops.Scratch();
                    Tensor x = RandomTensor(scalar, 70, 768, random);
                    Weight weight = ops.LoadWeight(parts), reference = scalar.LoadWeight(parts);
                    foreach (int tokens in (int[])[1, 7, 70])
                        LinearTests.AssertSame(scalar.Linear(LinearTests.Rows(x, tokens), reference), ops.Linear(LinearTests.Rows(x, tokens), weight), format);
                    if (parts.Length == 2)
                        LinearTests.AssertSame(scalar.GatedLinear(Activation.Relu, x, reference), ops.GatedLinear(Activation.Relu, x, weight), format);
                }
            }
            WeightData experts = RandomWeights.Data(WeightFormats.Get("Q5_K"), 512, 37, random, experts: 5).WithRotation();
            Tensor inputs = RandomTensor(scalar, 66, 512, random);
            Routing routing = scalar.Route(RandomTensor(scalar, 66, 5, random), new Router(2, Gating.Softmax));
            LinearTests.AssertSame(
                scalar.ExpertLinear(inputs, scalar.LoadWeight(experts), routing), ops.ExpertLinear(inputs, ops.LoadWeight(experts), routing), "experts");
        }
    }

    /// <summary>Rotated inputs meet rotated weights: as floats nothing changes; with outliers in the inputs, rounding costs much less.</summary>
    [Fact]
    public void It_changes_no_product_and_rescues_few_bits_from_outliers()
    {
        const int Columns = 1408, Rows = 64, Tokens = 32; // blocks of 128
        Random random = new(2);
        float[] weights = [.. Enumerable.Range(0, Rows * Columns).Select(_ => random.NextSingle() - 0.5f)], rotated = [.. weights];
        for (int row = 0; row < Rows; row++)
            Hadamard.Rotate(rotated.AsSpan(row * Columns, Columns));
        using ScalarOps scalar = new();
        Tensor x = RandomTensor(scalar, Tokens, Columns, random);
        for (int token = 0; token < Tokens; token++)
        {
            for (int i = 37; i < Columns; i += 129)
                x[token][i] *= 60;
        }
        WeightData plain = Data(weights), turned = Data(rotated).WithRotation();
        Assert.InRange(Error(ActivationPrecision.F32, turned, 0), 0, 1e-11);
        double token8 = Error(ActivationPrecision.Int8Token, plain, 0), rotated8 = Error(ActivationPrecision.Int8Token, turned, 0);
        double token4 = Error(ActivationPrecision.F32, plain, 4), rotated4 = Error(ActivationPrecision.F32, turned, 4);
        output.WriteLine($"int8, a scale a token: error {token8:G3}, rotated {rotated8:G3}; 4 bits: {token4:G3}, rotated {rotated4:G3}");
        Assert.True(rotated8 < 0.2 * token8, $"{rotated8} is not well below {token8}");
        Assert.True(rotated4 < 0.25 * token4, $"{rotated4} is not well below {token4}");

        // Inputs of so few bits as no kernel has are rounded here: in the basis in which they meet the weights.
        double Error(ActivationPrecision precision, WeightData data, int bits)
        {
            using CpuOps ops = new(1) { Activations = precision };
            Tensor inputs = scalar.Allocate(Tokens, Columns);
            scalar.Copy(x, inputs);
            for (int token = 0; token < Tokens && bits > 0; token++)
            {
                if (data.RotatesInputs)
                    Hadamard.Rotate(inputs[token]);
                float scale = 0;
                foreach (float value in inputs[token])
                    scale = MathF.Max(scale, MathF.Abs(value) / ((1 << (bits - 1)) - 1));
                foreach (ref float value in inputs[token])
                    value = MathF.Round(value / scale) * scale;
                if (data.RotatesInputs)
                    Hadamard.RotateBack(inputs[token]);
            }
            Tensor y = ops.Linear(inputs, ops.LoadWeight(data));
            double error = 0, power = 0;
            for (int token = 0; token < Tokens; token++)
            {
                for (int row = 0; row < Rows; row++)
                {
                    double exact = 0;
                    for (int i = 0; i < Columns; i++)
                        exact += (double)weights[row * Columns + i] * x[token][i];
                    (error, power) = (error + Math.Pow(y[token][row] - exact, 2), power + exact * exact);
                }
            }
            return error / power;
        }

        static WeightData Data(float[] values) =>
            WeightData.FromBytes("weights", WeightFormats.Get("F32"), Columns, Rows, 1, System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(values));
    }

    /// <summary>Who looks at inputs sees them as the weights meet them, and can ask what the map makes of others such.</summary>
    [Fact]
    public void Observers_see_rotated_inputs()
    {
        Random random = new(3);
        WeightData data = RandomWeights.Data(WeightFormats.Get("F32"), 96, 16, random);
        float[]? seen = null, applied = null;
        Ops? all = null;
        using ObservingOps ops = new(new CpuOps(1), (in inputs) =>
        {
            if (seen is not null)
                return;
            seen = inputs.X[0].ToArray();
            applied = inputs.Apply(all!, inputs.X)[0].ToArray();
        });
        all = ops;
        using ScratchScope scope = ops.Scratch();
        Tensor x = ops.Allocate(1, 96);
        for (int i = 0; i < 96; i++)
            x[0][i] = i % 7;
        float[] before = x[0].ToArray(), rotated = x[0].ToArray();
        Hadamard.Rotate(rotated);
        float[] result = ops.Linear(x, ops.LoadWeight(data.WithRotation()))[0].ToArray();
        Assert.Equal(rotated, seen);
        Assert.Equal(before, x[0].ToArray());
        for (int i = 0; i < result.Length; i++)
            Assert.Equal(1, applied![i] / result[i], 1e-4f);
    }

    [Fact]
    public void An_order_of_columns_does_not_go_with_it()
    {
        WeightData data = RandomWeights.Data(WeightFormats.Get("F32"), 32, 4, new Random(4));
        int[] order = [.. Enumerable.Range(0, 32).Reverse()];
        Assert.Throws<NotSupportedException>(() => data.WithRotation().InOrder(order));
        Assert.Throws<NotSupportedException>(() => data.InOrder(order).WithRotation());
    }

    private static Tensor RandomTensor(ScalarOps ops, int rows, int columns, Random random)
    {
        Tensor x = ops.Allocate(rows, columns);
        for (int row = 0; row < rows; row++)
        {
            foreach (ref float value in x[row])
                value = random.NextSingle() - 0.5f;
        }
        return x;
    }
}
