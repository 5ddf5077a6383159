using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors;

public sealed unsafe partial class ScalarOps
{
    /// <inheritdoc/>
    public override Tensor CausalConv(Tensor x, Tensor weight, Tensor bias, StateLayer state, Batch batch)
    {
        (int channels, int width) = (weight.Rows, weight.Columns);
        Require(x.Columns == channels && state.Count == channels * (width - 1), $"{x.Columns} channels, {state.Count} state floats; the weight is [{channels}, {width}].");
        Tensor result = Allocate(x.Rows, channels);
        foreach (BatchSequence sequence in batch.Sequences)
        {
            Span<float> past = StateOf(state, sequence); // [channels, width - 1], oldest first
            for (int row = sequence.Start; row < sequence.Start + sequence.Count; row++)
            {
                for (int channel = 0; channel < channels; channel++)
                {
                    Span<float> before = past.Slice(channel * (width - 1), width - 1);
                    float sum = bias.IsEmpty ? 0 : bias[0][channel];
                    for (int j = 0; j < width - 1; j++)
                        sum += weight[channel][j] * before[j];
                    result[row][channel] = sum + (weight[channel][width - 1] * x[row][channel]);
                    before[1..].CopyTo(before);
                    before[^1] = x[row][channel];
                }
            }
        }
        return result;
    }

    /// <inheritdoc/>
    public override Tensor SelectiveScan(Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c, Tensor d, StateLayer state, Batch batch)
    {
        (int channels, int states) = (a.Rows, a.Columns);
        Require(x.Columns == channels && b.Columns == states && c.Columns == states && state.Count == channels * states, $"A scan of [{channels}, {states}] got other shapes.");
        Tensor result = Allocate(x.Rows, channels);
        foreach (BatchSequence sequence in batch.Sequences)
        {
            Span<float> all = StateOf(state, sequence);
            for (int row = sequence.Start; row < sequence.Start + sequence.Count; row++)
            {
                for (int channel = 0; channel < channels; channel++)
                {
                    Span<float> h = all.Slice(channel * states, states);
                    (float step, float input, float sum) = (dt[row][channel], x[row][channel], 0);
                    for (int n = 0; n < states; n++)
                    {
                        h[n] = (MathF.Exp(step * a[channel][n]) * h[n]) + (step * input * b[row][n]);
                        sum += h[n] * c[row][n];
                    }
                    result[row][channel] = sum + (d[0][channel] * input);
                }
            }
        }
        return result;
    }

    /// <summary>The sequence's state, zeroed where the sequence begins.</summary>
    private static Span<float> StateOf(StateLayer state, BatchSequence sequence)
    {
        if (!sequence.IsChain)
            throw new NotSupportedException("A state-space layer keeps one state a sequence and cannot follow a tree.");
        Span<float> values = new(state.Store.State(state, sequence.StateSlot), state.Count);
        if (sequence.Past == 0)
            values.Clear();
        return values;
    }
}
