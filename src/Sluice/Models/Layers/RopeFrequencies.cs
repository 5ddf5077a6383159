using Sluice.Tensors;

namespace Sluice.Models.Layers;

/// <summary>
/// How fast each pair of a head rotates, with the ways of stretching a model to longer contexts: linear (Chen et al. 2023), YaRN
/// (Peng et al. 2023), factors of each pair (Llama 3's <c>rope_freqs</c>, Phi-3's LongRoPE).
/// </summary>
/// <param name="Frequencies">Radians a position [1, pairs].</param>
/// <param name="Magnitude">A factor of the rotated values.</param>
internal sealed record RopeFrequencies(Tensor Frequencies, float Magnitude)
{
    /// <summary>Reads <c>rope.*</c> metadata.</summary>
    /// <param name="loader">The model.</param>
    /// <param name="defaultBase">The base where the file has none.</param>
    /// <param name="truncate">
    /// Whether YaRN's range of pairs is rounded to whole pairs, as YaRN's authors do (GPT-oss's published reference does not).
    /// </param>
    /// <param name="factors">Divisors of each pair's frequency, if any [1, pairs].</param>
    /// <param name="dimension">Rotated values of a head; 0 for what the metadata says.</param>
    public static RopeFrequencies Read(ModelLoader loader, float defaultBase = 10000, bool truncate = true, Tensor factors = default, int dimension = 0)
    {
        ModelConfig config = loader.Config;
        if (dimension == 0)
            dimension = config.Int("rope.dimension_count", config.KeyLength);
        if (dimension <= 0 || dimension % 2 != 0 || dimension > config.KeyLength)
            throw config.Wrong("rope.dimension_count", dimension);
        float[] frequencies = Plain(config.Float("rope.freq_base", defaultBase), dimension);
        for (int i = 0; i < frequencies.Length && !factors.IsEmpty; i++)
            frequencies[i] /= factors[0][i];
        float magnitude = config.Float("rope.scaling.attn_factor", 1);
        string type = config.String("rope.scaling.type", config.Has("rope.scale_linear") ? "linear" : "none");
        float factor = config.Float("rope.scaling.factor", config.Float("rope.scale_linear", 1));
        if (factor is not (> 0 and < float.PositiveInfinity))
            throw config.Wrong("rope.scaling.factor", factor);
        config.Ignore("rope.scaling.finetuned");
        switch (type)
        {
            case "none" or "longrope":
                config.Ignore("rope.scaling.original_context_length");
                break;
            case "linear":
                config.Ignore("rope.scaling.original_context_length");
                for (int i = 0; i < frequencies.Length; i++)
                    frequencies[i] /= factor;
                break;
            case "yarn":
                Stretch(frequencies, config, factor, dimension, config.Float("rope.freq_base", defaultBase), truncate);
                magnitude *= 1 + (0.1f * MathF.Log(factor));
                break;
            default:
                throw config.Unsupported("rope.scaling.type", type);
        }
        return new RopeFrequencies(loader.Ops.LoadVector(frequencies), magnitude);
    }

    /// <summary>base^(-2i / dimension) of each pair i.</summary>
    public static float[] Plain(float @base, int dimension)
    {
        float[] frequencies = new float[dimension / 2];
        for (int i = 0; i < frequencies.Length; i++)
            frequencies[i] = (float)Math.Pow(@base, -2.0 * i / dimension);
        return frequencies;
    }

    /// <summary>YaRN: pairs that turn often in the trained context stay, those that turn seldom are slowed, with a ramp between.</summary>
    private static void Stretch(float[] frequencies, ModelConfig config, float factor, int dimension, float @base, bool truncate)
    {
        int trained = config.Int("rope.scaling.original_context_length", config.ContextLength);
        float fast = config.Float("rope.scaling.yarn_beta_fast", 32), slow = config.Float("rope.scaling.yarn_beta_slow", 1);
        double low = Pair(fast), high = Pair(slow);
        if (truncate)
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, dimension - 1));
        for (int i = 0; i < frequencies.Length; i++)
        {
            double ramp = Math.Clamp((i - low) / Math.Max(0.001, high - low), 0, 1);
            frequencies[i] = (float)(frequencies[i] * ((1 - ramp) + (ramp / factor)));
        }

        // The pair that makes this many turns in the trained context.
        double Pair(double turns) => dimension * Math.Log(trained / (turns * 2 * Math.PI)) / (2 * Math.Log(@base));
    }
}
