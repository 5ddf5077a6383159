using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors.Cpu;

// State-space layers: channels do not see each other, so that blocks of them are shared among the threads.
public unsafe partial class CpuOps
{
    private const int ConvolvedChannels = Recurrences.ChannelBlock, ScannedChannels = 64;

    /// <inheritdoc/>
    public override Tensor CausalConv(Tensor x, Tensor weight, Tensor bias, StateLayer state, Batch batch)
    {
        (int channels, int width) = (weight.Rows, weight.Columns);
        if (x.Columns != channels || x.Rows != batch.Count || (!bias.IsEmpty && bias.Columns != channels)
            || state.Count != channels * (width - 1) || weight.Stride != width)
        {
            throw new ArgumentException(
                $"[{x.Rows}, {x.Columns}] and {state.Count} state floats do not fit weights of [{channels}, {width}], "
                + $"a bias of {bias.Columns} and {batch.Count} tokens.");
        }
        Tensor result = Allocate(x.Rows, channels);
        using ScratchScope scope = Scratch();
        CheckChains(batch);
        int blocks = (channels + ConvolvedChannels - 1) / ConvolvedChannels;
        int scratch = ((2 * width) + 1) * Recurrences.ChannelBlock;
        ConvJob job = new(x, weight, bias, state, batch, result, blocks, (float*)AllocateBytes((long)Pool.Threads * scratch * sizeof(float)));
        Elementwise.For(Pool, batch.Sequences.Length * blocks, (long)x.Rows * channels * width, job);
        return result;
    }

    /// <inheritdoc/>
    public override Tensor SelectiveScan(Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c, Tensor d, StateLayer state, Batch batch)
    {
        (int channels, int states) = (a.Rows, a.Columns);
        if (x.Columns != channels || dt.Columns != channels || d.Columns != channels || b.Columns != states || c.Columns != states
            || state.Count != channels * states || a.Stride != states
            || x.Rows != batch.Count || dt.Rows != x.Rows || b.Rows != x.Rows || c.Rows != x.Rows)
        {
            throw new ArgumentException(
                $"A scan of [{channels}, {states}] over {batch.Count} tokens got x [{x.Rows}, {x.Columns}], dt [{dt.Rows}, {dt.Columns}], "
                + $"b [{b.Rows}, {b.Columns}], c [{c.Rows}, {c.Columns}], d {d.Columns} and {state.Count} state floats.");
        }
        Tensor result = Allocate(x.Rows, channels);
        CheckChains(batch);
        int blocks = (channels + ScannedChannels - 1) / ScannedChannels;
        ScanJob job = new(x, dt, a, b, c, d, state, batch, result, blocks);
        Elementwise.For(Pool, batch.Sequences.Length * blocks, 4L * x.Rows * channels * states, job);
        return result;
    }

    private static void CheckChains(Batch batch)
    {
        foreach (ref readonly BatchSequence sequence in batch.Sequences)
        {
            if (!sequence.IsChain)
                throw new NotSupportedException("A state-space layer keeps one state a sequence and cannot follow a tree.");
        }
    }

    private readonly struct ConvJob(
        Tensor x, Tensor weight, Tensor bias, StateLayer state, Batch batch, Tensor result, int blocks, float* scratch) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            int width = weight.Columns;
            for (int item = start; item < end; item++)
            {
                BatchSequence sequence = batch.Sequences[item / blocks];
                int first = item % blocks * ConvolvedChannels, count = Math.Min(ConvolvedChannels, weight.Rows - first);
                float* past = state.Store.State(state, sequence.StateSlot) + (first * (width - 1));
                if (sequence.Past == 0)
                    new Span<float>(past, count * (width - 1)).Clear();
                Recurrences.Convolve(
                    x.Data + ((long)sequence.Start * x.Stride) + first,
                    x.Stride,
                    result.Data + ((long)sequence.Start * result.Stride) + first,
                    result.Stride,
                    sequence.Count,
                    count,
                    width,
                    weight.Data + (first * width),
                    bias.IsEmpty ? null : bias.Data + first,
                    past,
                    scratch + (worker * ((2 * width) + 1) * Recurrences.ChannelBlock));
            }
        }
    }

    private readonly struct ScanJob(
        Tensor x, Tensor dt, Tensor a, Tensor b, Tensor c, Tensor d, StateLayer state, Batch batch, Tensor result, int blocks) : IParallelJob
    {
        public void Run(int start, int end, int worker)
        {
            int states = a.Columns;
            for (int item = start; item < end; item++)
            {
                BatchSequence sequence = batch.Sequences[item / blocks];
                int first = item % blocks * ScannedChannels, count = Math.Min(ScannedChannels, a.Rows - first);
                float* h = state.Store.State(state, sequence.StateSlot) + ((long)first * states);
                if (sequence.Past == 0)
                    new Span<float>(h, count * states).Clear();
                for (int row = sequence.Start; row < sequence.Start + sequence.Count; row++)
                {
                    float* inputs = x.Data + ((long)row * x.Stride) + first, steps = dt.Data + ((long)row * dt.Stride) + first;
                    float* outputs = result.Data + ((long)row * result.Stride) + first;
                    float* from = b.Data + ((long)row * b.Stride), to = c.Data + ((long)row * c.Stride);
                    for (int channel = 0; channel < count; channel++)
                    {
                        float* decay = a.Data + ((long)(first + channel) * states);
                        float sum = Recurrences.Scan(steps[channel], inputs[channel], decay, from, to, h + (channel * states), states);
                        outputs[channel] = sum + (d.Data[first + channel] * inputs[channel]);
                    }
                }
            }
        }
    }
}
