using System.Runtime.InteropServices;
using Sluice.Tensors.Cpu;

namespace Sluice.Tensors;

[Trait(InstructionSetTests.Trait, "all")]
public sealed class RowOpsTests : IDisposable
{
    private readonly GuardedTensors _tensors = new();
    private readonly ScalarOps _scalar = new();
    private readonly CpuOps _one = new(1), _two = new(2), _four = new(4);
    private readonly Random _random = new(7);

    public static TheoryData<int> Lengths => [.. Enumerable.Range(1, 70), 127, 128, 130, 511, 1031];

    public static TheoryData<Activation> Activations => [.. Enum.GetValues<Activation>()];

    public void Dispose()
    {
        _tensors.Dispose();
        foreach (Sluice.Tensors.Ops ops in new Sluice.Tensors.Ops[] { _scalar, _one, _two, _four })
            ops.Dispose();
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Every_function_agrees_with_its_definition(int length)
    {
        foreach (Case function in Cases)
        {
            Tensor x = _tensors.Random(_random, 3, length, 3), y = _tensors.Random(_random, 3, length, 3);
            Tensor weight = _tensors.Random(_random, 1, length), bias = _tensors.Random(_random, 1, length);
            Tensor expected = function.Run(_scalar, _tensors.Copy(x), y, weight, bias);
            Tensor actual = function.Run(_one, _tensors.Copy(x), y, weight, bias);
            for (int row = 0; row < x.Rows; row++)
                AssertClose(expected[row], actual[row], $"{function.Name}, {length} columns, row {row}");
        }
    }

    /// <summary>Bit for bit: a row among others and on many threads is the row alone, and an element does not know its place.</summary>
    [Theory]
    [InlineData(67, 40)]
    [InlineData(4133, 17)]
    [InlineData(70001, 2)]
    public void A_row_does_not_depend_on_others(int length, int rows)
    {
        foreach (Case function in Cases)
        {
            Tensor x = _tensors.Random(_random, rows, length, 3), y = _tensors.Random(_random, rows, length, 3);
            Tensor weight = _tensors.Random(_random, 1, length), bias = _tensors.Random(_random, 1, length);
            Tensor expected = function.Run(_one, _tensors.Copy(x), y, weight, bias);
            foreach (CpuOps ops in new[] { _two, _four })
                AssertSame(expected, function.Run(ops, _tensors.Copy(x), y, weight, bias), function.Name);
            for (int row = 0; row < rows; row += 5)
            {
                Tensor alone = function.Run(_one, _tensors.Copy(Row(x, row)), Row(y, row), weight, bias);
                AssertSame(Row(expected, row), alone, function.Name);
            }
            if (function.IsElementwise)
            {
                Tensor shifted = function.Run(_one, _tensors.Copy(x.ColumnRange(5, length - 5)), y.ColumnRange(5, length - 5), weight, bias);
                AssertSame(expected.ColumnRange(5, length - 5), shifted, function.Name);
            }
        }
        _tensors.Dispose();
    }

    [Theory]
    [MemberData(nameof(Activations))]
    public void Activations_hold_over_the_whole_range(Activation activation)
    {
        float[] values =
        [
            0, -0f, 1e-38f, -1e-38f, 1e-20f, 1e-6f, 0.624f, 0.626f, 6.99f, 7.01f, 19.9f, 20.1f, 87, 88.7f, 89, 103, 104, 1e4f, 1e8f, 1e18f,
            .. Enumerable.Range(0, 4000).Select(i => i * 0.025f),
        ];
        values = [.. values, .. values.Select(v => -v), float.PositiveInfinity];
        Tensor x = _tensors.Create(1, values.Length), y = _tensors.Create(1, values.Length);
        values.CopyTo(x[0]);
        y[0].Fill(1.5f);
        AssertClose(_scalar.Gate(activation, x, y)[0], _one.Gate(activation, x, y)[0], $"{activation}");
        if (activation == Activation.OaiSwiGlu)
            Assert.Throws<ArgumentOutOfRangeException>(() => _one.Activate(activation, x));
    }

    [Fact]
    public void What_is_not_a_number_stays_visible()
    {
        Tensor y = _tensors.Random(_random, 1, 37);
        foreach (Case function in Cases)
        {
            Tensor x = _tensors.Random(_random, 1, 37);
            x[0].Fill(float.NaN);
            foreach (float value in function.Run(_one, x, y, y, y)[0])
                Assert.True(float.IsNaN(value), function.Name);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    public void Norms_of_each_head(int heads)
    {
        Tensor x = _tensors.Random(_random, 4, heads * 20), weight = _tensors.Random(_random, 1, 20);
        Tensor expected = _scalar.RmsNorm(x, weight, 1e-6f), actual = _one.RmsNorm(x, weight, 1e-6f);
        for (int row = 0; row < x.Rows; row++)
            AssertClose(expected[row], actual[row], $"row {row}");
        Assert.Throws<ArgumentException>(() => _one.RmsNorm(x, _tensors.Random(_random, 1, 21), 1e-6f));
    }

    [Fact]
    public void A_layer_norm_needs_no_bias()
    {
        Tensor x = _tensors.Random(_random, 4, 33), weight = _tensors.Random(_random, 1, 33);
        for (int i = 0; i < 33; i++)
            x[2][i] += 1000; // a large mean beside a small variance
        Tensor expected = _scalar.LayerNorm(x, weight, default, 1e-6f), actual = _one.LayerNorm(x, weight, default, 1e-6f);
        AssertClose(expected[0], actual[0], "row 0");
        for (int i = 0; i < 33; i++)
            Assert.Equal(expected[2][i], actual[2][i], 1e-3f);
    }

    [Fact]
    public void One_row_is_added_to_all()
    {
        Tensor x = _tensors.Random(_random, 5, 23), y = _tensors.Random(_random, 1, 23);
        Tensor expected = _tensors.Copy(x);
        _scalar.Add(expected, y);
        _one.Add(x, y);
        AssertSame(expected, x, "add");
        Assert.Throws<ArgumentException>(() => _one.Add(x, _tensors.Create(2, 23)));
    }

    [Theory]
    [InlineData(RopePairing.Adjacent)]
    [InlineData(RopePairing.Halves)]
    public void Rotations_are_those_of_the_definition(RopePairing pairing)
    {
        for (int pairs = 1; pairs <= 40; pairs++)
        {
            int[] positions = [0, 1, 7, 100_000];
            Tensor frequencies = _tensors.Create(1, pairs);
            for (int i = 0; i < pairs; i++)
                frequencies[0][i] = MathF.Pow(10000, -(float)i / pairs);
            Tensor angles = _one.RopeAngles(positions, frequencies, 1.25f);
            AssertSame(_scalar.RopeAngles(positions, frequencies, 1.25f), angles, "angles");
            Tensor x = _tensors.Random(_random, 4, 3 * ((2 * pairs) + 5));
            Tensor expected = _tensors.Copy(x);
            _scalar.Rope(expected, angles, (2 * pairs) + 5, pairing, start: 4);
            _one.Rope(x, angles, (2 * pairs) + 5, pairing, start: 4);
            AssertSame(expected, x, $"{pairs} pairs");
        }
    }

    [Fact]
    public void Rows_allocate_nothing()
    {
        Tensor x = _tensors.Random(_random, 64, 2048), weight = _tensors.Random(_random, 1, 2048);
        int[] positions = new int[64];
        void Step()
        {
            using ScratchScope scope = _two.Scratch();
            _two.Add(_two.RmsNorm(x, weight, 1e-5f), _two.Gate(Activation.Silu, x, x));
            _two.Rope(x, _two.RopeAngles(positions, weight.ColumnRange(0, 32), 1), 64, RopePairing.Halves);
        }
        Step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Step();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static readonly Case[] Cases =
    [
        new("add", true, (ops, x, y, _, _) => { ops.Add(x, y); return x; }),
        new("scale", true, (ops, x, _, _, _) => { ops.Scale(x, 0.3f); return x; }),
        new("soft cap", true, (ops, x, _, _, _) => { ops.SoftCap(x, 2.5f); return x; }),
        new("norm", false, (ops, x, _, w, _) => ops.RmsNorm(x, w, 1e-5f)),
        new("layer norm", false, (ops, x, _, w, b) => ops.LayerNorm(x, w, b, 1e-5f)),
        .. Enum.GetValues<Activation>().Select(a => new Case($"gate {a}", true, (ops, x, y, _, _) => ops.Gate(a, x, y))),
        .. Enum.GetValues<Activation>().Where(a => a != Activation.OaiSwiGlu).Select(a =>
            new Case($"{a}", true, (ops, x, _, _, _) => { ops.Activate(a, x); return x; })),
    ];

    private static unsafe Tensor Row(Tensor x, int row) => new(x.Data + ((long)row * x.Stride), 1, x.Columns, x.Stride);

    private static void AssertClose(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            if (expected[i] != actual[i] && !(MathF.Abs(expected[i] - actual[i]) <= 1e-6f * (1 + MathF.Abs(expected[i]))))
                Assert.Fail($"{what}: [{i}] is {actual[i]:R}, expected {expected[i]:R}");
        }
    }

    private static void AssertSame(Tensor expected, Tensor actual, string what)
    {
        for (int row = 0; row < expected.Rows; row++)
        {
            if (!MemoryMarshal.AsBytes(expected[row]).SequenceEqual(MemoryMarshal.AsBytes(actual[row])))
                Assert.Fail($"{what}: row {row} differs");
        }
    }

    private sealed record Case(string Name, bool IsElementwise, Func<Sluice.Tensors.Ops, Tensor, Tensor, Tensor, Tensor, Tensor> Run);
}
