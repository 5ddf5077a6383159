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
        string[] several = ["Q8_0", "BF16", "F32", "Q2_K", "Q4_K", "NF4", "IQ2_XS", "F8_E5M2"];
        foreach (string[] names in LinearTests.Formats.Select(name => new[] { name }).Append(several))
        {
            WeightFormat[] formats = Array.ConvertAll(names, WeightFormats.Get);
            // More than one stretch, and an odd number of blocks.
            int columns = names.Length > 1 ? 1280 : formats[0].BlockSize == 1 ? 67 : formats[0].BlockSize <= 32 ? 608 : 3 * formats[0].BlockSize;
            Check(kernels, precision, [.. formats.Select(format => RandomWeights.Data(format, columns, 35, random).WithInputRange(4))], [1, 7, 66], random);
        }
    }

    /// <summary>Of a few formats: tiles of every length, few and many tokens, one panel and several, a row of less than a stretch.</summary>
    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(All))]
    public void Equals_the_definition_in_every_shape(string kernels, ActivationPrecision precision)
    {
        Random random = new(5);
        foreach (string name in (string[])["Q4_1", "Q2_K", "Q6_K", "IQ3_S", "NF4", "F8_E4M3_B32"])
        {
            WeightFormat format = WeightFormats.Get(name);
            foreach (int columns in (int[])[format.BlockSize, 1280])
            {
                foreach (int rows in (int[])[1, 32])
                    Check(kernels, precision, [RandomWeights.Data(format, columns, rows, random)], [2, 3, 4, 5, 6, 8, 9, 65, 67, 68, 69, 71], random);
            }
        }
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Gates_and_experts_are_rounded_alike(string kernels, ActivationPrecision precision)
    {
        Random random = new(6);
        using CpuOps ops = new(2, Kernels.All().Single(k => k.Name == kernels)) { Activations = precision };
        using ScalarOps scalar = new() { Activations = precision };
        foreach ((string gate, string up) in ((string, string)[])[("Q4_K", "Q4_K"), ("Q4_K", "Q6_K"), ("Q4_0", "Q8_0"), ("NF4", "NF4"), ("BF16", "BF16")])
        {
            WeightData[] parts = [RandomWeights.Data(WeightFormats.Get(gate), 512, 32, random).WithInputRange(2), RandomWeights.Data(WeightFormats.Get(up), 512, 32, random).WithInputRange(2)];
            Weight weight = ops.LoadWeight(parts), reference = scalar.LoadWeight(parts);
            using ScratchScope scope = scalar.Scratch(), scope2 = ops.Scratch();
            Tensor x = RandomTensor(scalar, 70, 512, random);
            foreach (int tokens in (int[])[1, 70])
            {
                LinearTests.AssertSame(
                    scalar.GatedLinear(Activation.Relu, LinearTests.Rows(x, tokens), reference),
                    ops.GatedLinear(Activation.Relu, LinearTests.Rows(x, tokens), weight), $"{gate}, {up}, {tokens} tokens");
            }
        }
        WeightData data = RandomWeights.Data(WeightFormats.Get("Q5_K"), 512, 37, random, experts: 5).WithInputRange(2);
        Tensor inputs = RandomTensor(scalar, 130, 512, random), bias = RandomTensor(scalar, 5, 37, random);
        Routing routing = scalar.Route(RandomTensor(scalar, 130, 5, random), new Router(2, Gating.Softmax));
        LinearTests.AssertSame(
            scalar.ExpertLinear(inputs, scalar.LoadWeight(data), routing, bias), ops.ExpertLinear(inputs, ops.LoadWeight(data), routing, bias), "experts");
    }

    /// <summary>Ranges that clip little and much, none, and (for a run of parts that have it in common) one twice.</summary>
    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(Static))]
    public void Parts_have_ranges_of_their_own(string kernels, ActivationPrecision precision)
    {
        Random random = new(7);
        (string Format, float Range)[] cases =
            [("Q4_K", 3), ("Q8_0", 3), ("BF16", 20), ("Q4_1", 0), ("F32", 0.5f), ("NF4", 1e-3f), ("F8_E4M3", 1e-37f), ("Q6_K", 1e-38f)];
        WeightData[] parts = Array.ConvertAll(
            cases, part => RandomWeights.Data(WeightFormats.Get(part.Format), 512, 35, random).WithInputRange(part.Range));
        Check(kernels, precision, parts, [1, 7, 66], random);
        foreach (WeightData part in parts)
            Check(kernels, precision, [part], [1, 9, 66], random);
        // What is skipped, and what stands in another order, is clipped too.
        int[] order = [.. Enumerable.Range(0, 512).Reverse()];
        Check(kernels, precision, [parts[0].WithThreshold(0.5f)], [1, 4, 66], random);
        Check(kernels, precision, [parts[1].InOrder(order)], [1, 4, 66], random);
        Check(kernels, precision, [parts[1].InOrder(order).WithThreshold(0.5f)], [1, 4, 66], random);
    }

    public static TheoryData<string, ActivationPrecision> Static
    {
        get
        {
            TheoryData<string, ActivationPrecision> all = [];
            foreach (Kernels kernels in Kernels.All())
            {
                all.Add(kernels.Name, ActivationPrecision.Int8Static);
                all.Add(kernels.Name, ActivationPrecision.FP8Static);
            }
            return all;
        }
    }

    /// <summary>Worked out by hand: with a range of 127 the integers are the inputs, rounded; without one a scale of 508 / 127 = 4 is found.</summary>
    [Fact]
    public void A_static_scale_rounds_and_clips_as_it_says()
    {
        byte[] ones = [.. Enumerable.Repeat((byte)0, 32).SelectMany((_, i) => BitConverter.GetBytes(i < 3 ? 1f : 0f))];
        WeightData data = WeightData.FromBytes("ones", WeightFormats.Get("F32"), 32, 1, 1, ones);
        Assert.Equal(130, Run(ActivationPrecision.Int8Static, data.WithInputRange(127))); // 127 + 3 + 0
        Assert.Equal(512, Run(ActivationPrecision.Int8Static, data));                     // 508 + 4 + 0
        Assert.Equal(512, Run(ActivationPrecision.Int8Token, data.WithInputRange(127)));
        Assert.Equal(451.4375f, Run(ActivationPrecision.FP8Static, data.WithInputRange(448))); // 448 + 3 + 0.4375, of 3 bits of fraction
        Assert.Equal(508 + 2.6f + 0.43f, Run(ActivationPrecision.F32, data.WithInputRange(127)), 1e-4f); // not clipped

        static float Run(ActivationPrecision precision, WeightData data)
        {
            using ScalarOps scalar = new() { Activations = precision };
            using CpuOps ops = new(1) { Activations = precision };
            Tensor x = scalar.Allocate(1, 32);
            x[0].Clear();
            (x[0][0], x[0][1], x[0][2]) = (508, precision == ActivationPrecision.FP8Static ? 3 : 2.6f, 0.43f);
            float expected = scalar.Linear(x, scalar.LoadWeight(data))[0][0];
            Assert.Equal(expected, ops.Linear(x, ops.LoadWeight(data))[0][0]);
            return expected;
        }
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    public void A_range_that_is_none_is_refused(float range) => Assert.Contains("no range", Assert.Throws<InvalidDataException>(
        () => RandomWeights.Data(WeightFormats.Get("F32"), 32, 1, new Random(1)).WithInputRange(range)).Message);

    private static void Check(string kernels, ActivationPrecision precision, WeightData[] parts, int[] tokens, Random random)
    {
        using CpuOps ops = new(2, Kernels.All().Single(k => k.Name == kernels)) { Activations = precision };
        using ScalarOps scalar = new() { Activations = precision };
        Tensor x = RandomTensor(scalar, tokens[^1], parts[0].Columns, random);
        Tensor expected = scalar.Linear(x, scalar.LoadWeight(parts));
        Weight weight = ops.LoadWeight(parts);
        foreach (int count in tokens)
        {
            using ScratchScope scope = ops.Scratch();
            LinearTests.AssertSame(expected, ops.Linear(LinearTests.Rows(x, count), weight), $"{count} tokens of {weight.Name}");
        }
    }

    /// <summary>Worked out by hand: 2^24 swallows a 1 that is added to it, but not two that another group has summed.</summary>
    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(AllKernels))]
    public void A_group_is_summed_before_its_scale_joins(string kernels)
    {
        const float Large = 16777216;
        byte[] ones = [.. Enumerable.Range(0, 3).SelectMany(_ => (byte[])[0x00, 0x3C, .. Enumerable.Repeat((byte)1, 32)])]; // scales of 1
        WeightData data = WeightData.FromBytes("ones", WeightFormats.Get("Q8_0"), 96, 1, 1, ones);
        ((int At, float Value)[] Row, float Expected)[] cases =
        [
            ([(0, Large), (1, 1), (2, -Large)], 0), ([(0, -Large), (1, Large), (2, 1)], 1), ([(0, Large), (40, 1), (41, 1), (64, -Large)], 2),
        ];
        foreach (ActivationPrecision precision in (ActivationPrecision[])[ActivationPrecision.F32, ActivationPrecision.BF16])
        {
            using CpuOps ops = new(1, Kernels.All().Single(k => k.Name == kernels)) { Activations = precision };
            using ScalarOps scalar = new() { Activations = precision };
            foreach (((int At, float Value)[] row, float expected) in cases)
            {
                Tensor x = scalar.Allocate(1, 96);
                x[0].Clear();
                foreach ((int at, float value) in row)
                    x[0][at] = value;
                Assert.Equal(expected, scalar.Linear(x, scalar.LoadWeight(data))[0][0]);
                Assert.Equal(expected, ops.Linear(x, ops.LoadWeight(data))[0][0]);
            }
        }
    }

    public static TheoryData<string> AllKernels => KernelsTests.AllKernels;

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
                WeightData data = RandomWeights.Data(WeightFormats.Get("F32"), 70, 16, new Random(3)).WithInputRange(5);
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
