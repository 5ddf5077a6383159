using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors;

/// <summary>What adapters add to linear maps, to the bit as <see cref="ScalarOps"/> defines it, for any mix of rows.</summary>
public class AdapterTests
{
    public static TheoryData<string> AllKernels => KernelsTests.AllKernels;

    [Theory]
    [Trait(InstructionSetTests.Trait, "all")]
    [MemberData(nameof(AllKernels))]
    public void Equals_the_definition_for_any_mix_of_rows(string instructions)
    {
        Random random = new(1);
        using CpuOps ops = LinearTests.Create(instructions);
        using ScalarOps scalar = new();
        foreach ((string type, string low, int columns, int rank) in ((string, string, int, int)[])
            [("F32", "F32", 70, 1), ("Q8_0", "BF16", 64, 5), ("Q4_K", "F16", 512, 16), ("BF16", "Q8_0", 64, 32)])
        {
            // Outputs of 33, 48 and 16 rows side by side; the first adapter adds to the first two of them, the second to the last.
            WeightData[] parts = [.. ((int[])[33, 48, 16]).Select(rows => RandomWeights.Data(WeightFormats.Get(type), columns, rows, random))];
            LowRank[] first = [Update(0, 33, 0.5f), Update(33, 48, -2)], second = [Update(81, 16, 1)];
            (Weight weight, Weight definition) = (ops.LoadWeight(parts), scalar.LoadWeight(parts));
            Adapter[] fast = [Make(weight, first), Make(weight, second)], slow = [Make(definition, first), Make(definition, second)];
            int[][] mixes = [[0], [-1, 0], [0, -1, 1, 0, -1, 1, 1, 0], [.. Enumerable.Repeat(1, 80)], [-1, -1]];
            foreach (int[] mix in mixes)
            {
                using ScratchScope scope = ops.Scratch(), scope2 = scalar.Scratch();
                Tensor x = LinearTests.RandomTensor(scalar, 3 * mix.Length, columns, random), bias = LinearTests.RandomTensor(scalar, 1, 97, random);
                Batch batch = Batch(fast, mix), reference = Batch(slow, mix);
                scalar.Adapt(reference);
                Tensor expected = scalar.Linear(x, definition, bias);
                scalar.EndAdapt();
                ops.Adapt(batch);
                string what = $"{type} with {low} of rank {rank}: {string.Join(' ', mix)}";
                LinearTests.AssertSame(expected, ops.Linear(x, weight, bias), what);
                // Some of the rows, as those whose logits are wanted.
                int[] some = [.. Enumerable.Range(0, x.Rows).Where(row => row % 3 != 1)];
                ops.Adapt(batch, some);
                LinearTests.AssertSame(scalar.Gather(expected, some), ops.Linear(ops.Gather(x, some), weight, bias), what + ", some");
                ops.Adapt(batch, []);
                Assert.Equal(0, ops.Linear(ops.Gather(x, []), weight, bias).Rows);
                ops.EndAdapt();
                LinearTests.AssertSame(scalar.Linear(x, definition, bias), ops.Linear(x, weight, bias), what + ", ended");
            }
            Array.ForEach(fast, adapter => adapter.Dispose());
            Array.ForEach(slow, adapter => adapter.Dispose());

            LowRank Update(int row, int rows, float factor) => new(
                row, RandomWeights.Data(WeightFormats.Get(low), columns, rank, random), RandomWeights.Data(WeightFormats.Get(low), rank, rows, random), factor);
        }
    }

    /// <summary>A gated map with an adapter is the map with it, then the gate; for rows without one, the bits stay as they are.</summary>
    [Theory]
    [MemberData(nameof(AllKernels))]
    public void A_gate_sees_what_was_added(string instructions)
    {
        Random random = new(2);
        using CpuOps ops = LinearTests.Create(instructions);
        WeightData[] parts = [RandomWeights.Data(WeightFormats.Get("Q8_0"), 64, 32, random), RandomWeights.Data(WeightFormats.Get("Q8_0"), 64, 32, random)];
        Weight weight = ops.LoadWeight(parts);
        using Adapter adapter = Make(weight, [new LowRank(
            32, RandomWeights.Data(WeightFormats.Get("F32"), 64, 4, random), RandomWeights.Data(WeightFormats.Get("F32"), 4, 32, random), 1)]);
        using ScratchScope scope = ops.Scratch();
        Tensor x = LinearTests.RandomTensor(ops, 6, 64, random), plain = ops.GatedLinear(Activation.Silu, x, weight);
        ops.Adapt(Batch([adapter], [0, -1]));
        Tensor both = ops.Linear(x, weight), gated = ops.GatedLinear(Activation.Silu, x, weight);
        LinearTests.AssertSame(ops.Gate(Activation.Silu, both.ColumnRange(0, 32), both.ColumnRange(32, 32)), gated, "gated");
        for (int row = 0; row < 6; row++)
            Assert.Equal(row >= 3, plain[row].SequenceEqual(gated[row]));
        ops.EndAdapt();
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using ScalarOps ops = new();
        Random random = new(3);
        WeightFormat format = WeightFormats.Get("F32");
        Weight weight = ops.LoadWeight(RandomWeights.Data(format, 8, 16, random)), experts = ops.LoadWeight(RandomWeights.Data(format, 8, 16, random, experts: 2));
        WeightData a = RandomWeights.Data(format, 8, 2, random), b = RandomWeights.Data(format, 2, 16, random);
        using Adapter adapter = new("a");
        Assert.Throws<ArgumentException>(() => adapter.Add(weight, new LowRank(0, b, a, 1)));
        Assert.Throws<ArgumentException>(() => adapter.Add(weight, new LowRank(1, a, b, 1)));
        Assert.Throws<ArgumentException>(() => adapter.Add(experts, new LowRank(0, a, b, 1)));
        adapter.Add(weight, new LowRank(0, a, b, 1));
        Assert.Throws<ArgumentException>(() => adapter.Add(weight, new LowRank(0, a, b, 1)));
        ops.Adapt(Batch([adapter], [0]));
        Assert.Throws<InvalidOperationException>(() => ops.Linear(LinearTests.RandomTensor(ops, 4, 8, random), weight)); // the batch has 3 rows
    }

    private static Adapter Make(Weight weight, LowRank[] updates)
    {
        Adapter adapter = new("a");
        adapter.Add(weight, updates);
        return adapter;
    }

    /// <summary>Sequences of three rows, each with an adapter or (-1) none.</summary>
    private static Batch Batch(Adapter[] adapters, int[] mix)
    {
        Batch batch = new();
        foreach (int which in mix)
        {
            batch.BeginSequence(0, [], 0, which < 0 ? null : adapters[which]);
            for (int i = 0; i < 3; i++)
                batch.Add(0, wantOutput: true);
        }
        return batch;
    }
}
