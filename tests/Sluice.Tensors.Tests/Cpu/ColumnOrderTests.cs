using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>Weights whose columns stand in another order than the inputs, as GPTQ's act-order leaves them.</summary>
public class ColumnOrderTests
{
    private const int Columns = 256, Rows = 48;

    [Theory]
    [InlineData("W4G128Z", 1)]
    [InlineData("W4G128Z", 90)]
    [InlineData("F32", 7)]
    [InlineData("BF16", 90)]
    public void An_order_permutes_the_inputs(string format, int tokens)
    {
        Random random = new(1);
        int[] order = [.. Enumerable.Range(0, Columns)];
        random.Shuffle(order);
        WeightData stored = RandomWeights.Data(WeightFormats.Get(format), Columns, Rows, random);
        using ScalarOps scalar = new();
        Tensor x = RandomTensor(scalar, tokens, random), permuted = scalar.Allocate(tokens, Columns);
        for (int row = 0; row < tokens; row++)
        {
            for (int i = 0; i < Columns; i++)
                permuted[row][i] = x[row][order[i]];
        }
        Tensor expected = scalar.Linear(permuted, scalar.LoadWeight(stored));
        AssertSame(expected, scalar.Linear(x, scalar.LoadWeight(stored.InOrder(order))));
        foreach (Kernels kernels in Kernels.All())
        {
            using CpuOps ops = new(2, kernels);
            AssertSame(expected, ops.Linear(x, ops.LoadWeight(stored.InOrder(order))));
        }
    }

    [Fact]
    public void Parts_of_one_weight_may_have_different_orders()
    {
        Random random = new(2);
        int[] first = [.. Enumerable.Range(0, Columns)], second = [.. first];
        random.Shuffle(first);
        random.Shuffle(second);
        WeightData stored = RandomWeights.Data(WeightFormats.Get("W4G64Z"), Columns, Rows, random);
        using ScalarOps scalar = new();
        using CpuOps ops = new(2, Kernels.Best());
        foreach (WeightData[] parts in (WeightData[][])[[stored.InOrder(first), stored.InOrder([.. first]), stored], [stored.InOrder(first), stored.InOrder(second)]])
        {
            Tensor x = RandomTensor(scalar, 70, random), bias = scalar.Allocate(1, parts.Length * Rows);
            bias[0].Fill(0.5f);
            Weight weight = ops.LoadWeight(parts), reference = scalar.LoadWeight(parts);
            AssertSame(scalar.Linear(x, reference, bias), ops.Linear(x, weight, bias));
            if (parts.Length == 2)
                AssertSame(scalar.GatedLinear(Activation.Relu, x, reference), ops.GatedLinear(Activation.Relu, x, weight));
        }
    }

    [Fact]
    public void An_order_that_is_none_is_refused()
    {
        WeightData stored = RandomWeights.Data(WeightFormats.Get("F32"), 4, 1, new Random(3));
        foreach (int[] order in (int[][])[[0, 1, 2], [0, 1, 2, 2], [0, 1, 2, 4], [0, 1, 2, -1]])
            Assert.Throws<InvalidDataException>(() => stored.InOrder(order));
    }

    private static Tensor RandomTensor(ScalarOps ops, int rows, Random random)
    {
        Tensor x = ops.Allocate(rows, Columns);
        for (int row = 0; row < rows; row++)
        {
            foreach (ref float value in x[row])
                value = random.NextSingle() - 0.5f;
        }
        return x;
    }

    private static void AssertSame(Tensor expected, Tensor actual)
    {
        for (int row = 0; row < expected.Rows; row++)
            Assert.Equal(expected[row].ToArray(), actual[row].ToArray());
    }
}
