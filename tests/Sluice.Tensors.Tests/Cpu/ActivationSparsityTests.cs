using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>Inputs below a threshold count as zero, and columns of the weights that meet zeros alone are not needed.</summary>
public class ActivationSparsityTests
{
    private const float Threshold = 0.2f; // of inputs from -0.5 to 0.5

    public static TheoryData<string> AllKernels => [.. Kernels.All().Select(kernels => kernels.Name)];

    /// <summary>Integers of a byte and of 4 bits, levels, minimums, two scales a group, wide scales, floats; and what cannot lie in columns.</summary>
    private static string[][] Weights =>
    [
        ["Q8_0"], ["Q4_0"], ["Q4_1"], ["Q5_1"], ["Q4_K"], ["Q5_K"], ["Q6_K"], ["IQ4_NL"], ["IQ4_XS"], ["MXFP4"], ["W4G128Z"], ["W8G128"], ["F16"], ["F32"],
        ["Q4_K", "Q4_K", "Q6_K"], ["Q8_0", "F16", "Q4_K"], ["BF16"], ["Q2_K"], ["IQ2_XS"], ["NF4"], ["Q8_0", "Q3_K"],
    ];

    [Theory]
    [MemberData(nameof(AllKernels))]
    public void Every_number_of_rows_equals_the_definition(string name)
    {
        Random random = new(1);
        using CpuOps ops = new(2, Kernels.All().Single(kernels => kernels.Name == name));
        using ScalarOps scalar = new();
        foreach (string[] formats in Weights)
        {
            // 149 rows: more than a block, with a panel that is not full; 768 columns: several steps.
            WeightData[] parts = [.. formats.Select(format => RandomWeights.Data(WeightFormats.Get(format), 768, 149, random).WithThreshold(Threshold))];
            using ScratchScope scope = scalar.Scratch(), scope2 = ops.Scratch();
            Tensor x = RandomTensor(scalar, 70, 768, random), bias = RandomTensor(scalar, 1, parts.Length * 149, random);
            x[0].Slice(256, 256).Clear();
            Tensor expected = scalar.Linear(x, scalar.LoadWeight(parts), bias);
            Weight weight = ops.LoadWeight(parts);
            foreach (int tokens in (int[])[1, 3, 4, 5, 9, 17, 70])
                AssertSame(expected, ops.Linear(First(scalar, x, tokens), weight, bias), string.Join('+', formats));
        }
    }

    [Theory]
    [InlineData("Q8_0")]
    [InlineData("Q4_0")]
    [InlineData("Q6_K")]
    [InlineData("F16")]
    public void Many_rows_and_few_columns(string format)
    {
        // Several pieces, for threads that the pieces do not divide among; a stretch of columns that is not full.
        WeightFormat weightFormat = WeightFormats.Get(format);
        int columns = weightFormat.BlockSize == 256 ? 256 : 288, rows = 9000;
        Random random = new(2);
        WeightData data = RandomWeights.Data(weightFormat, columns, rows, random).WithThreshold(Threshold);
        using ScalarOps scalar = new();
        Tensor x = RandomTensor(scalar, 2, columns, random), expected = scalar.Linear(x, scalar.LoadWeight(data));
        foreach (int threads in (int[])[1, 2, 3])
        {
            using CpuOps ops = new(threads);
            Weight weight = ops.LoadWeight(data);
            AssertSame(expected, ops.Linear(First(scalar, x, 1), weight), format);
            AssertSame(expected, ops.Linear(x, weight), format);
        }
    }

    [Fact]
    public void Zeros_are_those_below_the_threshold()
    {
        using ScalarOps scalar = new();
        using CpuOps ops = new(1);
        foreach (string format in (string[])["F32", "Q8_0"])
        {
            WeightData data = RandomWeights.Data(WeightFormats.Get(format), 64, 16, new Random(3));
            Tensor x = RandomTensor(scalar, 1, 64, new Random(4)), pruned = scalar.Allocate(1, 64);
            // What is as large as the threshold counts, and what is not finite always does.
            (x[0][0], x[0][1], x[0][2], x[0][40]) = (Threshold, -Threshold, MathF.BitDecrement(Threshold), float.NaN);
            for (int i = 0; i < 64; i++)
                pruned[0][i] = Math.Abs(x[0][i]) < Threshold ? 0 : x[0][i];
            Assert.NotEqual(0, pruned[0][1]);
            Assert.Equal(0, pruned[0][2]);
            Tensor expected = scalar.Linear(pruned, scalar.LoadWeight(data));
            Assert.Contains(float.NaN, expected[0].ToArray());
            AssertSame(expected, scalar.Linear(x, scalar.LoadWeight(data.WithThreshold(Threshold))), format);
            AssertSame(expected, ops.Linear(x, ops.LoadWeight(data.WithThreshold(Threshold))), format);
        }
    }

    [Fact]
    public void No_threshold_is_the_dense_map()
    {
        using CpuOps ops = new(2);
        WeightData data = RandomWeights.Data(WeightFormats.Get("Q8_0"), 256, 64, new Random(5));
        Tensor x = RandomTensor(ops, 1, 256, new Random(6));
        CpuWeight dense = (CpuWeight)ops.LoadWeight(data), zero = (CpuWeight)ops.LoadWeight(data.WithThreshold(0)), least = (CpuWeight)ops.LoadWeight(data.WithThreshold(float.Epsilon));
        Assert.False(zero.CanSkip);
        Assert.False(((CpuWeight)ops.LoadWeight(data.WithThreshold(Threshold, 0.3f))).CanSkip, "columns for few zeros");
        Assert.Contains("left unread", CpuOps.KernelOf(data.Format, zeroShare: 0.5f));
        Assert.Contains("all columns read", CpuOps.KernelOf(data.Format, zeroShare: 0.3f));
        Assert.Contains("all columns read", CpuOps.KernelOf(WeightFormats.Get("IQ2_XS"), zeroShare: 0.5f));
        Assert.True(least.CanSkip);
        AssertSame(ops.Linear(x, dense), ops.Linear(x, zero), "no threshold");
        AssertSame(ops.Linear(x, dense), ops.Linear(x, least), "the least threshold");
    }

    [Fact]
    public void What_is_skipped_is_not_read()
    {
        // Columns that meet zeros can be overwritten, and nothing changes.
        using CpuOps ops = new(2);
        foreach (string format in (string[])["Q8_0", "Q4_K", "Q6_K", "F16"])
        {
            CpuWeight weight = (CpuWeight)ops.LoadWeight(RandomWeights.Data(WeightFormats.Get(format), 512, 300, new Random(7)).WithThreshold(Threshold));
            Tensor x = RandomTensor(ops, 1, 512, new Random(8));
            float[] before = ops.Linear(x, weight)[0].ToArray();
            int skipped = 0;
            for (int column = 0; column < 512; column++)
            {
                if (Math.Abs(x[0][column]) >= Threshold)
                    continue;
                skipped++;
                Overwrite((IColumns)weight.Parts[0].Panels, column);
            }
            Assert.InRange(skipped, 150, 260);
            Assert.Equal(before, ops.Linear(x, weight)[0].ToArray());
            x[0][Array.FindIndex(x[0].ToArray(), value => Math.Abs(value) < Threshold)] = 1;
            Assert.NotEqual(before, ops.Linear(x, weight)[0].ToArray());
        }

        static unsafe void Overwrite(IColumns columns, int column)
        {
            for (int block = 0; block < 3; block++)
                new Span<byte>(columns.At(0, block, column), columns.BlockBytes).Fill(0x7F);
        }
    }

    [Fact]
    public void Gates_experts_orders_and_parts_with_different_thresholds()
    {
        Random random = new(9);
        using ScalarOps scalar = new();
        using CpuOps ops = new(2);
        WeightData[] halves = [.. Enumerable.Range(0, 2).Select(_ => RandomWeights.Data(WeightFormats.Get("Q4_0"), 256, 64, random).WithThreshold(Threshold))];
        foreach (int tokens in (int[])[1, 40])
        {
            Tensor x = RandomTensor(scalar, tokens, 256, random);
            AssertSame(
                scalar.GatedLinear(Activation.Relu, x, scalar.LoadWeight(halves)), ops.GatedLinear(Activation.Relu, x, ops.LoadWeight(halves)), "gate");
            WeightData[] different = [halves[0], halves[1].WithThreshold(0.1f)];
            AssertSame(scalar.Linear(x, scalar.LoadWeight(different)), ops.Linear(x, ops.LoadWeight(different)), "thresholds");
            int[] order = [.. Enumerable.Range(0, 256)];
            random.Shuffle(order);
            WeightData ordered = halves[0].InOrder(order);
            AssertSame(scalar.Linear(x, scalar.LoadWeight(ordered)), ops.Linear(x, ops.LoadWeight(ordered)), "order");
            WeightData experts = RandomWeights.Data(WeightFormats.Get("Q8_0"), 256, 48, random, experts: 4).WithThreshold(Threshold);
            Router router = new(2, Gating.Softmax);
            Tensor logits = RandomTensor(scalar, tokens, 4, random), bias = RandomTensor(scalar, 4, 48, random);
            AssertSame(
                scalar.ExpertLinear(x, scalar.LoadWeight(experts), scalar.Route(logits, router), bias),
                ops.ExpertLinear(x, ops.LoadWeight(experts), ops.Route(logits, router), bias), "experts");
        }
    }

    [Theory]
    [InlineData("Q8_0", 192)] // halves begin at the same place of a block's half
    [InlineData("Q4_0", 64)]
    [InlineData("Q6_K", 192)]
    [InlineData("F16", 64)]
    [InlineData("Q8_0", 80)] // and at another one
    [InlineData("Q6_K", 80)]
    public void Gates_of_many_tokens(string format, int rows)
    {
        Random random = new(4);
        WeightData data = RandomWeights.Data(WeightFormats.Get(format), 768, 2 * rows, random).WithThreshold(Threshold);
        using CpuOps ops = new(2);
        using ScalarOps scalar = new();
        using ScratchScope scope = scalar.Scratch(), scope2 = ops.Scratch();
        Tensor x = RandomTensor(scalar, 70, 768, random);
        Tensor expected = scalar.GatedLinear(Activation.Relu, x, scalar.LoadWeight(data));
        Weight weight = ops.LoadWeight(data);
        foreach (int tokens in (int[])[1, 9, 16, 70])
            AssertSame(expected, ops.GatedLinear(Activation.Relu, First(scalar, x, tokens), weight), format);
    }

    [Fact]
    public void Weights_that_are_not_finite_are_not_skipped()
    {
        byte[] bytes = new byte[64 * 16 * sizeof(float)];
        BitConverter.TryWriteBytes(bytes.AsSpan(4 * sizeof(float)), float.PositiveInfinity);
        WeightData data = WeightData.FromBytes("w", WeightFormats.Get("F32"), 64, 16, 1, bytes).WithThreshold(Threshold);
        using ScalarOps scalar = new();
        using CpuOps ops = new(1);
        Tensor x = scalar.Allocate(1, 64);
        x[0].Clear();
        float expected = scalar.Linear(x, scalar.LoadWeight(data))[0][0];
        Assert.True(float.IsNaN(expected));
        Assert.Equal(expected, ops.Linear(x, ops.LoadWeight(data))[0][0]);
    }

    [Fact]
    public void A_threshold_that_is_none_is_refused()
    {
        WeightData data = RandomWeights.Data(WeightFormats.Get("F32"), 4, 1, new Random(3));
        foreach (float threshold in (float[])[-1, float.NaN, float.PositiveInfinity])
            Assert.Throws<InvalidDataException>(() => data.WithThreshold(threshold));
    }

    private static Tensor First(ScalarOps ops, Tensor x, int rows)
    {
        Tensor first = ops.Allocate(rows, x.Columns);
        for (int row = 0; row < rows; row++)
            x[row].CopyTo(first[row]);
        return first;
    }

    private static Tensor RandomTensor(Ops ops, int rows, int columns, Random random)
    {
        Tensor x = ops.Allocate(rows, columns);
        for (int row = 0; row < rows; row++)
        {
            foreach (ref float value in x[row])
                value = random.NextSingle() - 0.5f;
        }
        return x;
    }

    // The first rows; all NaNs are one.
    private static void AssertSame(Tensor expected, Tensor actual, string what)
    {
        for (int row = 0; row < actual.Rows; row++)
            Assert.True(Bits(expected[row]).SequenceEqual(Bits(actual[row])), $"{what}: row {row} of {actual.Rows}");
    }

    private static int[] Bits(ReadOnlySpan<float> values)
    {
        int[] bits = new int[values.Length];
        for (int i = 0; i < bits.Length; i++)
            bits[i] = float.IsNaN(values[i]) ? -1 : BitConverter.SingleToInt32Bits(values[i]);
        return bits;
    }
}
