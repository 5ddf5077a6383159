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

    [Theory]
    [InlineData("W4G128Z", 1)]
    [InlineData("W4G128Z", 90)]
    [InlineData("W4G128Z", 900)]
    [InlineData("BF16", 90)]
    public void Each_expert_has_an_order_of_its_own(string format, int tokens)
    {
        const int Experts = 5, Used = 2;
        Random random = new(4);
        int[] orders = Orders(random, Experts), others = Orders(random, Experts);
        WeightData stored = RandomWeights.Data(WeightFormats.Get(format), Columns, Rows, random, Experts), other = RandomWeights.Data(WeightFormats.Get(format), Columns, Rows, random, Experts);
        using ScalarOps scalar = new();
        Tensor x = RandomTensor(scalar, tokens, random), logits = RandomTensor(scalar, tokens, random).ColumnRange(0, Experts);
        Tensor bias = RandomTensor(scalar, Experts, random).ColumnRange(0, 2 * Rows);
        Routing routing = scalar.Route(logits, new Router(Used, Gating.Softmax));
        WeightData[][] cases =
        [
            [stored.InOrder(orders)], // down
            [stored.InOrder(orders), other.InOrder([.. orders])], // gate and up of one order
            [stored.InOrder(orders), other.InOrder(others)],
            [stored, other.InOrder(others)],
        ];
        Tensor[] expected = [.. cases.Select(parts => scalar.ExpertLinear(x, scalar.LoadWeight(parts), routing, bias.ColumnRange(0, parts.Length * Rows)))];
        Tensor plain = scalar.ExpertLinear(Permuted(scalar, x, routing, orders), scalar.LoadWeight(stored), routing, bias.ColumnRange(0, Rows));
        AssertSame(plain, expected[0]);
        foreach (Kernels kernels in Kernels.All())
        {
            using CpuOps ops = new(2, kernels);
            for (int i = 0; i < cases.Length; i++)
                AssertSame(expected[i], ops.ExpertLinear(x, ops.LoadWeight(cases[i]), routing, bias.ColumnRange(0, cases[i].Length * Rows)));
        }
    }

    [Fact]
    public void Parts_of_experts_may_do_different_things_to_their_inputs()
    {
        Random random = new(5);
        WeightData stored = RandomWeights.Data(WeightFormats.Get("W8G128"), Columns, Rows, random, experts: 3);
        WeightData[] parts = [stored.WithInputRange(0.25f), stored.WithThreshold(0.1f).WithInputRange(0.5f)];
        using ScalarOps scalar = new() { Activations = ActivationPrecision.Int8Static };
        using CpuOps ops = new(2, Kernels.Best()) { Activations = ActivationPrecision.Int8Static };
        Tensor x = RandomTensor(scalar, 20, random);
        Routing routing = scalar.Route(RandomTensor(scalar, 20, random).ColumnRange(0, 3), new Router(2, Gating.Softmax));
        AssertSame(scalar.ExpertLinear(x, scalar.LoadWeight(parts), routing), ops.ExpertLinear(x, ops.LoadWeight(parts), routing));
    }

    [Fact]
    public void An_order_that_is_none_is_refused()
    {
        WeightData stored = RandomWeights.Data(WeightFormats.Get("F32"), 4, 1, new Random(3));
        foreach (int[] order in (int[][])[[0, 1, 2], [0, 1, 2, 2], [0, 1, 2, 4], [0, 1, 2, -1], [0, 1, 2, 3, 0, 1, 2, 3]])
            Assert.Throws<InvalidDataException>(() => stored.InOrder(order));
        WeightData experts = RandomWeights.Data(WeightFormats.Get("F32"), 4, 1, new Random(3), experts: 2);
        foreach (int[] order in (int[][])[[0, 1, 2, 3], [0, 1, 2, 3, 0, 1, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7]])
            Assert.Throws<InvalidDataException>(() => experts.InOrder(order));
    }

    /// <summary>[experts, columns], the first the usual one.</summary>
    private static int[] Orders(Random random, int experts)
    {
        int[] orders = [.. Enumerable.Range(0, experts * Columns).Select(i => i % Columns)];
        for (int expert = 1; expert < experts; expert++)
            random.Shuffle(orders.AsSpan(expert * Columns, Columns));
        return orders;
    }

    /// <summary>A row for each pair of a token and its expert, in that expert's order.</summary>
    private static Tensor Permuted(ScalarOps ops, Tensor x, Routing routing, int[] orders)
    {
        Tensor permuted = ops.Allocate(routing.Rows * routing.Used, Columns);
        for (int row = 0; row < routing.Rows; row++)
        {
            for (int j = 0; j < routing.Used; j++)
            {
                for (int i = 0; i < Columns; i++)
                    permuted[row * routing.Used + j][i] = x[row][orders[routing[row][j] * Columns + i]];
            }
        }
        return permuted;
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
