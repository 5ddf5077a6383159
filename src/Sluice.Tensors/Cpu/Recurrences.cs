using System.Runtime.CompilerServices;

namespace Sluice.Tensors.Cpu;

/// <summary>The recurrences of state-space layers over the tokens of one sequence.</summary>
internal static unsafe class Recurrences
{
    /// <summary>Channels that are convolved side by side.</summary>
    public const int ChannelBlock = 16;

    /// <summary>
    /// Causal convolution of at most <see cref="ChannelBlock"/> channels, their weights and earlier inputs turned so that
    /// channels lie side by side.
    /// </summary>
    /// <param name="x">The first token's first channel; tokens lie <paramref name="xStride"/> floats apart.</param>
    /// <param name="xStride">See <paramref name="x"/>.</param>
    /// <param name="y">Where the results go, <paramref name="yStride"/> floats apart.</param>
    /// <param name="yStride">See <paramref name="y"/>.</param>
    /// <param name="tokens">Tokens.</param>
    /// <param name="channels">Channels.</param>
    /// <param name="width">Weights of a channel.</param>
    /// <param name="weight">[channels, width].</param>
    /// <param name="bias">[channels], or null.</param>
    /// <param name="state">The inputs before, oldest first [channels, width - 1].</param>
    /// <param name="scratch">(2 * width + 1) * ChannelBlock floats.</param>
    public static void Convolve(
        float* x, int xStride, float* y, int yStride, int tokens, int channels, int width, float* weight, float* bias, float* state, float* scratch)
    {
        float* weights = scratch, inputs = weights + (width * ChannelBlock), biases = inputs + (width * ChannelBlock);
        for (int channel = 0; channel < channels; channel++)
        {
            for (int j = 0; j < width; j++)
                weights[(j * ChannelBlock) + channel] = weight[(channel * width) + j];
            for (int j = 0; j < width - 1; j++)
                inputs[(j * ChannelBlock) + channel] = state[(channel * (width - 1)) + j];
            biases[channel] = bias is null ? 0 : bias[channel];
        }
        // The inputs are a ring: the oldest one is at `oldest`, and this token's takes its place.
        int oldest = width - 1;
        for (int token = 0; token < tokens; token++)
        {
            new ReadOnlySpan<float>(x + ((long)token * xStride), channels).CopyTo(new Span<float>(inputs + (oldest * ChannelBlock), channels));
            oldest = oldest + 1 == width ? 0 : oldest + 1;
            Traverse.Run(new Taps(inputs, weights, biases, width, oldest, y + ((long)token * yStride)), channels);
        }
        for (int channel = 0; channel < channels; channel++)
        {
            for (int j = 0; j < width - 1; j++)
                state[(channel * (width - 1)) + j] = inputs[((oldest + 1 + j) % width * ChannelBlock) + channel];
        }
    }

    /// <summary>One channel's scan step: h = exp(step * a) * h + step * input * b.</summary>
    /// <returns>The sum of h * c.</returns>
    public static float Scan(float step, float input, float* a, float* b, float* c, float* h, int states) =>
        Traverse.Sum(new ScanTerm(step, step * input, a, b, c, h), states);

    private readonly struct Taps(float* inputs, float* weights, float* biases, int width, int oldest, float* y) : IStep
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<S, V>(int i)
            where S : struct, ISimd<V>
            where V : unmanaged
        {
            V sum = S.Load(biases + i);
            for (int j = 0, at = oldest; j < width; j++, at = at + 1 == width ? 0 : at + 1)
                sum = S.MultiplyAdd(S.Load(weights + (j * ChannelBlock) + i), S.Load(inputs + (at * ChannelBlock) + i), sum);
            S.Store(y + i, sum);
        }
    }

    private readonly struct ScanTerm(float step, float stepInput, float* a, float* b, float* c, float* h) : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V AddTo<S, V>(V sum, int i)
            where S : struct, ISimd<V>
            where V : unmanaged
        {
            V decay = VectorMath.Exp<S, V>(S.Multiply(S.Create(step), S.Load(a + i)));
            V state = S.MultiplyAdd(decay, S.Load(h + i), S.Multiply(S.Create(stepInput), S.Load(b + i)));
            S.Store(h + i, state);
            return S.MultiplyAdd(state, S.Load(c + i), sum);
        }
    }
}
