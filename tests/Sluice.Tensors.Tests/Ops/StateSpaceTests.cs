using System.Runtime.InteropServices;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors;

[Trait(InstructionSetTests.Trait, "all")]
public sealed class StateSpaceTests : IDisposable
{
    private static readonly int[] Lengths = [23, 1, 9];
    private readonly ScalarOps _scalar = new();
    private readonly CpuOps _one = new(1), _four = new(4);

    public void Dispose()
    {
        _scalar.Dispose();
        _one.Dispose();
        _four.Dispose();
    }

    [Fact]
    public void Agrees_with_the_definition()
    {
        for (int channels = 1; channels <= 70; channels++)
        {
            (int states, int width) = (1 + (channels * 7 % 37), 2 + (channels % 4));
            float[] expected = Run(_scalar, channels, states, width, 5), actual = Run(_one, channels, states, width, 5);
            double error = 0, power = 0;
            for (int i = 0; i < expected.Length; i++)
            {
                error += ((double)actual[i] - expected[i]) * ((double)actual[i] - expected[i]);
                power += (double)expected[i] * expected[i];
            }
            Assert.True(error <= 1e-12 * power, $"{channels} channels, {states} states, {width} wide: NMSE {error / power}");
        }
    }

    [Theory]
    [InlineData(67, 16)]
    [InlineData(600, 19)]
    public void A_sequence_does_not_depend_on_anything_else(int channels, int states)
    {
        byte[] expected = Bytes(Run(_one, channels, states, 4, int.MaxValue));
        foreach (CpuOps ops in new[] { _one, _four })
        {
            foreach (int chunk in new[] { 1, 7, 16 })
                Assert.Equal(expected, Bytes(Run(ops, channels, states, 4, chunk)));
        }

        static byte[] Bytes(float[] values) => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
    }

    [Fact]
    public void Trees_are_refused()
    {
        using GuardedTensors memory = new();
        using StateStore store = new(1, 1, 4);
        Batch batch = new();
        batch.BeginSequence(0, []);
        batch.Add(0, true);
        batch.AddChild(0, -1, true);
        Tensor x = memory.Create(2, 2), ones = memory.Create(1, 2);
        Assert.Throws<NotSupportedException>(() => _one.CausalConv(x, memory.Create(2, 3), default, store.Layer(0, 0, 4), batch));
        Assert.Throws<NotSupportedException>(() => _one.SelectiveScan(x, x, memory.Create(2, 2), x, x, ones, store.Layer(0, 0, 4), batch));
        Assert.Throws<ArgumentException>(() => _one.CausalConv(x, memory.Create(3, 3), default, store.Layer(0, 0, 4), batch));
        Assert.Throws<ArgumentException>(() => _one.SelectiveScan(x, x, memory.Create(2, 3), x, x, ones, store.Layer(0, 0, 4), batch));
    }

    /// <summary>The outputs of both operations, for each sequence's tokens in turn.</summary>
    private static float[] Run(Sluice.Tensors.Ops ops, int channels, int states, int width, int chunk)
    {
        using GuardedTensors memory = new();
        Random random = new(channels);
        int convolved = channels * (width - 1);
        using StateStore store = new(Lengths.Length + 1, 2, convolved + (channels * states));
        StateLayer convolution = store.Layer(1, 0, convolved), scan = store.Layer(1, convolved, channels * states);
        Tensor weight = memory.Random(random, channels, width), bias = memory.Random(random, 1, channels), d = memory.Random(random, 1, channels);
        Tensor a = memory.Random(random, channels, states);
        for (int channel = 0; channel < channels; channel++)
        {
            foreach (ref float value in a[channel])
                value = -MathF.Abs(value);
        }
        Tensor[] inputs = [.. Lengths.Select(length => memory.Random(random, length, (2 * channels) + (2 * states)))];
        List<float>[] outputs = [.. Lengths.Select(_ => new List<float>())];
        for (int past = 0; past < Lengths.Max(); past = (int)Math.Min(Lengths.Max(), (long)past + chunk))
        {
            Batch batch = new();
            List<(int Sequence, int Token)> rows = [];
            for (int sequence = Lengths.Length - 1; sequence >= 0; sequence--)
            {
                if (past >= Lengths[sequence])
                    continue;
                batch.BeginSequence(past, [], stateSlot: Lengths.Length - sequence);
                for (int token = past; token < Math.Min(Lengths[sequence], (long)past + chunk); token++)
                {
                    batch.Add(0, true);
                    rows.Add((sequence, token));
                }
            }
            using GuardedTensors step = new();
            Tensor all = step.Create(rows.Count, inputs[0].Columns), dt = step.Create(rows.Count, channels);
            for (int row = 0; row < rows.Count; row++)
            {
                inputs[rows[row].Sequence][rows[row].Token].CopyTo(all[row]);
                for (int channel = 0; channel < channels; channel++)
                    dt[row][channel] = MathF.Abs(all[row][channel]) + 0.01f;
            }
            using ScratchScope scope = ops.Scratch();
            Tensor x = ops.CausalConv(all.ColumnRange(channels, channels), weight, bias, convolution, batch);
            Tensor y = ops.SelectiveScan(
                x, dt, a, all.ColumnRange(2 * channels, states), all.ColumnRange((2 * channels) + states, states), d, scan, batch);
            for (int row = 0; row < rows.Count; row++)
            {
                outputs[rows[row].Sequence].AddRange(x[row]);
                outputs[rows[row].Sequence].AddRange(y[row]);
            }
        }
        return [.. outputs.SelectMany(values => values)];
    }
}
