using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;
using Sluice.TestData;

namespace Sluice.Tensors.Cpu;

/// <summary>Linear maps on every instruction set of this processor, to the bit as <see cref="ScalarOps"/> defines them.</summary>
public class LinearTests
{
    public static TheoryData<string> AllKernels => KernelsTests.AllKernels;

    public static TheoryData<string, string> FormatsAndKernels
    {
        get
        {
            TheoryData<string, string> all = [];
            foreach (string kernels in KernelsTests.Names)
            {
                foreach (string format in Formats)
                    all.Add(format, kernels);
            }
            return all;
        }
    }

    internal static IEnumerable<string> Formats => WeightFormats.All.Select(format => format.Name).Concat(OwnFormats);

    /// <summary>Of the formats that checkpoints become, some of each number of bits, block, kind of scale.</summary>
    private static IEnumerable<string> OwnFormats =>
    [
        "W2G32", "W3G64Z", "W4G128", "W4G128Z", "W4G64Z_F32", "W5G32Z_F32", "W6G256_F32", "W8G128", "W8G256Z",
        .. ScaledFloats.All.Concat(ScaledNVFP4.All).Select(format => format.Name),
    ];

    /// <summary>Experts that do not follow each other in memory are those that do.</summary>
    [Theory]
    [InlineData("F32", 0)]
    [InlineData("F16", 0.5f)]
    [InlineData("BF16", 0)]
    [InlineData("Q8_0", 0.5f)]
    [InlineData("Q4_K", 0)]
    [InlineData("MXFP4", 0)]
    [InlineData("IQ2_XS", 0)]
    [InlineData("TQ2_0", 0)]
    [InlineData("W4G128Z", 0)]
    public void Experts_may_lie_apart(string name, float threshold)
    {
        const int Columns = 256, Rows = 48, Experts = 3;
        Random random = new(4);
        WeightFormat format = WeightFormats.Get(name);
        byte[] bytes = RandomWeights.Bytes(format, Columns, Rows * Experts, random);
        int size = bytes.Length / Experts;
        MappedBytes[] parts = [.. Enumerable.Range(0, Experts).Reverse().Select(expert =>
        {
            MappedFile file = MappedFile.InMemory("part", size, out Span<byte> target);
            bytes.AsSpan(expert * size, size).CopyTo(target);
            return file.Bytes;
        }).Reverse()];
        WeightData whole = WeightData.FromBytes(name, format, Columns, Rows, Experts, bytes).WithThreshold(threshold);
        WeightData apart = WeightData.FromMap(name, format, Columns, Rows, Experts, MappedFile.Join("joined", parts).Bytes).WithThreshold(threshold);
        using CpuOps ops = new(2);
        using ScalarOps scalar = new();
        Tensor x = RandomTensor(scalar, 9, Columns, random);
        Routing routing = scalar.Route(RandomTensor(scalar, 9, Experts, random), new Router(2, Gating.Softmax));
        Tensor expected = scalar.ExpertLinear(x, scalar.LoadWeight(whole), routing);
        AssertSame(expected, scalar.ExpertLinear(x, scalar.LoadWeight(apart), routing), "scalar");
        AssertSame(ops.ExpertLinear(x, ops.LoadWeight(whole), routing), ops.ExpertLinear(x, ops.LoadWeight(apart), routing), "vectors");
    }

    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(FormatsAndKernels))]
    public void Equals_the_definition(string name, string instructions)
    {
        WeightFormat format = WeightFormats.Get(name);
        Random random = new(1);
        using CpuOps ops = Create(instructions);
        using ScalarOps scalar = new();
        int[] widths = format.BlockSize == 1 ? [1, 2, 3, 5, 16, 31, 33, 70, 300] : [format.BlockSize, 3 * format.BlockSize, 1280];
        foreach (int columns in widths)
        {
            foreach (int rows in (int[])[1, 15, 16, 17, 40])
            {
                if (columns == 1280 && rows is 1 or 15 or 16)
                    continue;
                WeightData data = RandomWeights.Data(format, columns, rows, random);
                using ScratchScope scope = scalar.Scratch(), scope2 = ops.Scratch();
                // The most rows are those from which panels are multiplied in pairs, with tiles of every length at the end.
                int[] many = columns <= 3 || columns == 1280 ? [65, 67, 68, 69, 70, 72] : [];
                Tensor x = RandomTensor(scalar, many.Length > 0 ? many[^1] : 24, columns, random);
                Tensor expected = scalar.Linear(x, scalar.LoadWeight(data));
                Weight weight = ops.LoadWeight(data);
                foreach (int tokens in (int[])[1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 17, 18, 19, 20, 21, 22, 23, 24, .. many])
                    AssertSame(expected, ops.Linear(Rows(x, tokens), weight), $"{tokens} tokens of [{columns}, {rows}]");
            }
        }
    }

    [Theory]
    [MemberData(nameof(AllKernels))]
    public void Parts_of_different_formats_stand_side_by_side(string instructions)
    {
        Random random = new(2);
        using CpuOps ops = Create(instructions);
        using ScalarOps scalar = new();
        WeightData[] parts =
        [
            RandomWeights.Data(WeightFormats.Get("Q4_K"), 512, 33, random), RandomWeights.Data(WeightFormats.Get("Q6_K"), 512, 7, random),
            RandomWeights.Data(WeightFormats.Get("F32"), 512, 16, random), RandomWeights.Data(WeightFormats.Get("Q4_K"), 512, 20, random),
        ];
        Tensor x = RandomTensor(scalar, 80, 512, random), bias = RandomTensor(scalar, 1, 76, random);
        Tensor expected = scalar.Linear(x, scalar.LoadWeight(parts), bias);
        Weight weight = ops.LoadWeight(parts);
        foreach (int tokens in (int[])[1, 11, 37, 80])
            AssertSame(expected, ops.Linear(Rows(x, tokens), weight, bias), $"{tokens} tokens");
    }

    [Theory]
    [MemberData(nameof(AllKernels))]
    public void A_gated_map_is_the_map_and_then_the_gate(string instructions)
    {
        Random random = new(6);
        using CpuOps ops = Create(instructions);
        using ScalarOps scalar = new();
        (string Gate, string Up, int Width)[] cases =
        [
            ("Q4_K", "Q4_K", 64), ("Q8_0", "Q8_0", 48), ("Q6_K", "Q4_K", 32), ("Q4_0", "Q4_0", 24), ("BF16", "BF16", 32), ("F32", "F32", 16), ("BF16", "F32", 16),
            ("IQ2_XXS", "IQ2_XXS", 32), ("Q5_K", "", 32), ("F16", "", 20),
        ];
        foreach ((string gate, string up, int width) in cases)
        {
            WeightData[] parts = up == ""
                ? [RandomWeights.Data(WeightFormats.Get(gate), 1280, 2 * width, random)] // as Phi-3 stores them
                : [RandomWeights.Data(WeightFormats.Get(gate), 1280, width, random), RandomWeights.Data(WeightFormats.Get(up), 1280, width, random)];
            Weight weight = ops.LoadWeight(parts), reference = scalar.LoadWeight(parts);
            using ScratchScope scope = scalar.Scratch(), scope2 = ops.Scratch();
            Tensor x = RandomTensor(scalar, 80, 1280, random);
            foreach (Activation activation in (Activation[])[Activation.Silu, Activation.Gelu, Activation.OaiSwiGlu])
            {
                foreach (int tokens in (int[])[1, 9, 80])
                {
                    Tensor both = ops.Linear(Rows(x, tokens), weight);
                    AssertSame(
                        ops.Gate(activation, both.ColumnRange(0, width), both.ColumnRange(width, width)),
                        ops.GatedLinear(activation, Rows(x, tokens), weight), $"{gate}, {up}, {activation}, {tokens} tokens");
                }
            }
            AssertSame(scalar.GatedLinear(Activation.Relu, x, reference), ops.GatedLinear(Activation.Relu, x, weight), $"{gate}, {up}");
        }
    }

    /// <summary>Many panels of few columns: more than a thread has room for the sums of.</summary>
    [Theory]
    [MemberData(nameof(AllKernels))]
    public void Narrow_maps_of_many_rows(string instructions)
    {
        const int Columns = 32, Width = 32768;
        Random random = new(7);
        using CpuOps ops = new(1, Kernels.Best(instructions));
        using ScalarOps scalar = new();
        WeightData[] parts =
        [
            RandomWeights.Data(WeightFormats.Get("Q8_0"), Columns, Width, random), RandomWeights.Data(WeightFormats.Get("Q8_0"), Columns, Width, random),
        ];
        Tensor x = RandomTensor(scalar, Kernels.MaxTokens, Columns, random);
        Weight weight = ops.LoadWeight(parts), reference = scalar.LoadWeight(parts);
        AssertSame(scalar.Linear(x, reference), ops.Linear(x, weight), "map");
        AssertSame(scalar.GatedLinear(Activation.Relu, x, reference), ops.GatedLinear(Activation.Relu, x, weight), "gated");
    }

    [Theory]
    [MemberData(nameof(AllKernels))]
    public void Experts_of_few_rows(string instructions) => ExpertsOf(rows: 29, instructions);

    [Theory]
    [MemberData(nameof(AllKernels))]
    public void Experts_of_many_rows(string instructions) => ExpertsOf(rows: 130, instructions);

    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(AllKernels))]
    public void Extreme_activations(string instructions)
    {
        Random random = new(4);
        using CpuOps ops = Create(instructions);
        using ScalarOps scalar = new();
        float[] extremes =
        [
            0, -0f, float.Epsilon, -float.Epsilon, 1.17549435e-38f, 1.387e-17f, 1.4e-17f, -1.38505e-17f, 1.4e-36f, 1.5e-36f, 3e38f, -3.4e38f, float.MaxValue,
            float.PositiveInfinity, float.NegativeInfinity, float.NaN, 127, 126.5f, 0.5f, 1.5f, -2.5f,
        ];
        foreach (string name in (string[])["Q8_0", "Q4_0", "Q4_K", "Q2_K", "Q6_K", "F16", "BF16", "F32"])
        {
            WeightData data = RandomWeights.Data(WeightFormats.Get(name), 512, 19, random);
            Weight weight = ops.LoadWeight(data), reference = scalar.LoadWeight(data);
            Tensor x = scalar.Allocate(3 * extremes.Length, 512);
            for (int row = 0; row < x.Rows; row++)
            {
                x[row].Fill(row < extremes.Length ? extremes[row] : 0);
                for (int i = 0; i < 512 && row >= extremes.Length; i += row < 2 * extremes.Length ? 41 : 1)
                    x[row][i] = i % 3 == 0 ? extremes[row % extremes.Length] : random.NextSingle() - 0.5f;
            }
            AssertSame(scalar.Linear(x, reference), ops.Linear(x, weight), name);
        }
    }

    // Products just above 2^-112, whose differences reach down to 2^-126: the bfloat16 instruction would flush what is smaller.
    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(AllKernels))]
    public void Least_products_of_bfloat16_are_summed_exactly(string instructions)
    {
        const int Columns = 17, Outputs = 19;
        Random random = new(7);
        using CpuOps ops = Create(instructions);
        using ScalarOps scalar = new();
        float[] values = new float[Outputs * Columns];
        foreach (ref float value in values.AsSpan())
            value = TinyFloat(random);
        WeightFormat format = WeightFormats.Get("BF16");
        byte[] bytes = new byte[format.Bytes(values.Length)];
        format.Quantize(values, bytes);
        WeightData data = WeightData.FromBytes("tiny", format, Columns, Outputs, 1, bytes);
        Tensor x = scalar.Allocate(40, Columns);
        for (int row = 0; row < x.Rows; row++)
        {
            foreach (ref float value in x[row])
                value = TinyFloat(random);
        }
        Tensor expected = scalar.Linear(x, scalar.LoadWeight(data));
        Weight weight = ops.LoadWeight(data);
        foreach (int tokens in (int[])[1, 9, 40])
            AssertSame(expected, ops.Linear(Rows(x, tokens), weight), $"{tokens} tokens");
        float least = float.MaxValue;
        for (int row = 0; row < x.Rows; row++)
        {
            foreach (float sum in expected[row])
                least = sum == 0 ? least : Math.Min(least, Math.Abs(sum));
        }
        Assert.InRange(least, 1.1754944e-38f /* 2^-126 */, 2e-34f);

        // From 2^-66 to 2^-54, of either sign: those below 2^-56 count as zero, else the least products would be subnormal.
        static float TinyFloat(Random random) =>
            MathF.ScaleB(1 + random.NextSingle(), random.Next(-66, -54)) * (random.Next(2) == 0 ? 1 : -1);
    }

    /// <summary>More columns than one stretch, more tokens than one segment, an odd number of panels, beside another format and alone.</summary>
    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(AllKernels))]
    public void Bfloat16s_of_many_columns_and_tokens(string instructions)
    {
        const int Columns = 1029;
        Random random = new(9);
        using CpuOps ops = Create(instructions);
        using ScalarOps scalar = new();
        WeightData pairs = RandomWeights.Data(WeightFormats.Get("BF16"), Columns, 37, random);
        WeightData floats = RandomWeights.Data(WeightFormats.Get("F16"), Columns, 20, random);
        Tensor x = RandomTensor(scalar, 530, Columns, random);
        foreach (WeightData[] parts in (WeightData[][])[[pairs], [pairs, pairs], [floats, pairs]])
        {
            Tensor expected = scalar.Linear(x, scalar.LoadWeight(parts));
            Weight weight = ops.LoadWeight(parts);
            foreach (int tokens in (int[])[1, 9, 65, 530])
                AssertSame(expected, ops.Linear(Rows(x, tokens), weight), $"{tokens} tokens of {weight.Name}");
        }
    }

    /// <summary>The definition itself: worked out by hand.</summary>
    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(AllKernels))]
    public void Pairs_of_bfloat16_add_the_odd_column_first(string instructions)
    {
        using CpuOps ops = Create(instructions);
        using ScalarOps scalar = new();
        // 2^24 swallows a 1 that is added to it. A third column has no partner; 1 + 2^-8 rounds to 1, the even one of two neighbours,
        // and 1 + 3 * 2^-8 to 1 + 2^-6.
        (float[] Row, float Expected)[] cases =
        [
            ([0, 16777216, -16777216, 1], 0), ([0, 16777216, 1, -16777216], 1), ([16777216, 0, -16777216, 1, 3], 3),
            ([0, 0, 1.00390625f], 1), ([1.01171875f], 1.015625f),
        ];
        foreach ((float[] row, float expected) in cases)
        {
            WeightFormat format = WeightFormats.Get("BF16");
            byte[] bytes = new byte[format.Bytes(row.Length)];
            format.Quantize(Array.ConvertAll(row, _ => 1f), bytes);
            WeightData data = WeightData.FromBytes("ones", format, row.Length, 1, 1, bytes);
            Tensor x = scalar.Allocate(1, row.Length);
            row.CopyTo(x[0]);
            Assert.Equal(expected, scalar.Linear(x, scalar.LoadWeight(data))[0][0]);
            Assert.Equal(expected, ops.Linear(x, ops.LoadWeight(data))[0][0]);
        }
    }

    [Fact]
    public void The_environment_chooses_the_instruction_set()
    {
        string[] names = [.. Kernels.All().Select(kernels => kernels.Name)];
        Assert.Equal(names[0], Kernels.Best(null).Name);
        Assert.All(names, name => Assert.Equal(name, Kernels.Best(name).Name));
        Assert.Contains("scalar", names);
        Assert.Contains("sse9", Assert.Throws<NotSupportedException>(() => Kernels.Best("sse9")).Message);
    }

    [Fact]
    public void Assembled_kernels_can_be_switched_off()
    {
        if (!VnniKernels.IsSupported)
            Assert.Skip("needs a processor with AVX-512 VNNI");
        TestProcess.Run(["-method", $"{typeof(LinearTests).FullName}.{nameof(Without_assembled_kernels)}"], [("SLUICE_JIT", "0")]);
    }

    [Fact]
    public void Without_assembled_kernels()
    {
        if (Environment.GetEnvironmentVariable("SLUICE_JIT") == "0")
            Assert.DoesNotContain("vnni", Kernels.All().Select(kernels => kernels.Name));
    }

    [Fact]
    public void Threads_do_not_change_results()
    {
        Random random = new(5);
        using ScalarOps scalar = new();
        using CpuOps one = new(1, Kernels.Best()), five = new(5, Kernels.Best());
        WeightData data = RandomWeights.Data(WeightFormats.Get("Q5_K"), 1024, 333, random);
        Tensor x = RandomTensor(scalar, 700, 1024, random); // more than a segment
        AssertSame(one.Linear(x, one.LoadWeight(data)), five.Linear(x, five.LoadWeight(data)), "threads");
    }

    [Fact]
    public void Packed_weights_take_hardly_more_than_stored_ones()
    {
        Random random = new(6);
        using CpuOps ops = new(1, Kernels.Best());
        foreach (WeightFormat format in WeightFormats.All)
        {
            WeightData data = RandomWeights.Data(format, 2048, 64, random);
            Weight weight = ops.LoadWeight(data);
            double more = format.Type switch
            {
                TensorType.Q1_0 => 1.9, // packed with 2 bits
                TensorType.TQ1_0 => 1.23, // likewise
                TensorType.IQ1_S => 1.08,
                TensorType.IQ2_XXS or TensorType.IQ2_XS => 1.065,
                _ => 1.045,
            };
            Assert.InRange(weight.Bytes, 1, data.RowBytes * data.Rows * more);
        }
    }

    [Fact]
    public void A_linear_map_allocates_nothing()
    {
        Random random = new(8);
        using CpuOps ops = new(2, Kernels.Best());
        Weight weight = ops.LoadWeight(RandomWeights.Data(WeightFormats.Get("Q4_K"), 512, 300, random, experts: 4));
        Router router = new(2, Gating.Softmax);
        long Run()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            using (ops.Scratch())
            {
                Tensor x = ops.Allocate(3, 512);
                Routing routing = ops.Route(x.ColumnRange(0, 4), router);
                ops.Combine(ops.ExpertLinear(x, weight, routing), routing);
                ops.Linear(x, weight);
            }
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
        for (int i = 0; i < 3; i++)
            Run();
        Assert.Equal(0, Run());
    }

    private static void ExpertsOf(int rows, string instructions)
    {
        Random random = new(3);
        const int Experts = 5, Used = 2;
        using CpuOps ops = Create(instructions);
        using ScalarOps scalar = new();
        foreach (string format in (string[])["Q4_K", "MXFP4", "BF16", "IQ2_XS"])
        {
            WeightData data = RandomWeights.Data(WeightFormats.Get(format), 256, 37, random, Experts);
            Weight weight = ops.LoadWeight(data), reference = scalar.LoadWeight(data);
            Tensor bias = RandomTensor(scalar, Experts, 37, random);
            Tensor logits = RandomTensor(scalar, rows, Experts, random);
            Router router = new(Used, Gating.Softmax) { Normalize = true };
            Routing routing = ops.Route(logits, router), expectedRouting = scalar.Route(logits, router);
            AssertSame(expectedRouting.Weights, routing.Weights, "weights");
            foreach (int inputs in (int[])[rows, rows * Used])
            {
                Tensor x = RandomTensor(scalar, inputs, 256, random);
                Tensor y = ops.ExpertLinear(x, weight, routing, bias);
                AssertSame(scalar.ExpertLinear(x, reference, expectedRouting, bias), y, $"{format} of {inputs} rows");
                AssertSame(scalar.Combine(y, expectedRouting), ops.Combine(y, routing), "combined");
            }
            Tensor all = RandomTensor(scalar, 3, 256, random);
            AssertSame(
                scalar.ExpertLinear(all, reference, scalar.RouteToAll(3, Experts)),
                ops.ExpertLinear(all, weight, ops.RouteToAll(3, Experts)), "all experts");
        }
    }

    internal static CpuOps Create(string instructions) => new(2, Kernels.All().Single(kernels => kernels.Name == instructions));

    internal static Tensor Rows(Tensor x, int rows)
    {
        unsafe
        {
            return new Tensor(x.Data, rows, x.Columns, x.Stride);
        }
    }

    internal static Tensor RandomTensor(Sluice.Tensors.Ops ops, int rows, int columns, Random random)
    {
        Tensor x = ops.Allocate(rows, columns);
        for (int row = 0; row < rows; row++)
        {
            foreach (ref float value in x[row])
                value = (random.NextSingle() - 0.5f) * MathF.Exp(8 * random.NextSingle());
        }
        return x;
    }

    internal static void AssertSame(Tensor expected, Tensor actual, string what)
    {
        for (int row = 0; row < actual.Rows; row++)
        {
            for (int i = 0; i < actual.Columns; i++)
            {
                float e = expected[row][i], a = actual[row][i];
                if (BitConverter.SingleToInt32Bits(e) != BitConverter.SingleToInt32Bits(a) && !(float.IsNaN(e) && float.IsNaN(a)))
                    Assert.Fail($"{what}: row {row}, column {i} is {a:R}, not {e:R}");
            }
        }
    }
}
