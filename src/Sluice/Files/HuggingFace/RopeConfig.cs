using System.Text.Json;

namespace Sluice.Files.HuggingFace;

/// <summary>
/// How positions are rotated: <c>rope_theta</c> and <c>rope_scaling</c>, or both in <c>rope_parameters</c> as newer files have it
/// (github.com/huggingface/transformers, modeling_rope_utils.py).
/// </summary>
internal sealed class RopeConfig
{
    private readonly string _type = "default";
    private readonly float _theta = 10000;
    private readonly float _factor = 1;
    private readonly int _originalContext;
    private readonly float? _betaFast, _betaSlow;
    private readonly float _attentionFactor = 1;
    private readonly float? _logMultiplier;

    public RopeConfig(JsonFile config, int headDim, Architecture architecture)
    {
        if (config.Has("rope_parameters") && config.Has("rope_scaling"))
            throw config.Unsupported("rope_scaling", "rope_parameters is there too");
        JsonFile? rope = config.ObjectOrNull("rope_parameters") ?? config.ObjectOrNull("rope_scaling");
        _theta = rope?.PositiveOrNull("rope_theta") ?? config.PositiveOrNull("rope_theta") ?? _theta;
        if (rope is null)
            return;
        string typeKey = rope.Has("rope_type") ? "rope_type" : "type";
        _type = rope.TextOrNull(typeKey) ?? (rope.Has("factor") ? throw rope.Missing("rope_type") : _type);
        RefuseOtherKeys(rope, _type switch
        {
            "default" => [],
            "linear" => ["factor"],
            "llama3" => ["factor", "original_max_position_embeddings", "low_freq_factor", "high_freq_factor"],
            "yarn" => ["factor", "original_max_position_embeddings", "beta_fast", "beta_slow", "attention_factor",
                "mscale", "mscale_all_dim", "truncate", "finetuned"],
            _ => throw rope.Unsupported(typeKey, "it has default, linear, llama3 and yarn"),
        });
        if (_type is "default")
            return;
        _factor = rope.PositiveOrNull("factor") ?? throw rope.Missing("factor");
        _originalContext = rope.CountOrNull("original_max_position_embeddings") ?? config.Count("max_position_embeddings");
        if (_type is "llama3")
            FrequencyFactors = Llama3Factors(rope, headDim);
        if (_type is not "yarn")
            return;
        _betaFast = rope.PositiveOrNull("beta_fast");
        _betaSlow = rope.PositiveOrNull("beta_slow");
        // GPT-oss is the one that does not round YaRN's range of pairs; GGUF has no key for it.
        bool truncates = architecture.ModelType is not "gpt_oss";
        if ((rope.BoolOrNull("truncate") ?? true) != truncates)
            throw rope.Unsupported("truncate", $"it is {(truncates ? "true" : "false")} for these models");
        if (architecture.HasLatentAttention)
            _logMultiplier = LogMultiplier(rope);
        else
            _attentionFactor = AttentionFactor(rope) / Magnitude(_factor, 1);
    }

    /// <summary>What each pair's rotation is divided by (<c>rope_freqs.weight</c> in GGUF), or null for nothing.</summary>
    public float[]? FrequencyFactors { get; }

    public void AddTo(Metadata metadata, string prefix)
    {
        metadata.Add($"{prefix}.rope.freq_base", _theta);
        if (_type is not ("linear" or "yarn"))
            return;
        metadata.Add($"{prefix}.rope.scaling.type", _type);
        metadata.Add($"{prefix}.rope.scaling.factor", _factor);
        if (_type is "linear")
            return;
        metadata.Add($"{prefix}.rope.scaling.original_context_length", (uint)_originalContext);
        if (_betaFast is { } fast)
            metadata.Add($"{prefix}.rope.scaling.yarn_beta_fast", fast);
        if (_betaSlow is { } slow)
            metadata.Add($"{prefix}.rope.scaling.yarn_beta_slow", slow);
        if (_logMultiplier is { } multiplier)
            metadata.Add($"{prefix}.rope.scaling.yarn_log_multiplier", multiplier);
        if (_attentionFactor != 1)
            metadata.Add($"{prefix}.rope.scaling.attn_factor", _attentionFactor);
    }

    /// <summary>
    /// Llama 3.1's scaling: wavelengths longer than the original context over <c>low_freq_factor</c> are stretched by
    /// <c>factor</c>, those shorter than it over <c>high_freq_factor</c> are left alone, and between them it blends.
    /// </summary>
    private float[] Llama3Factors(JsonFile rope, int headDim)
    {
        float low = rope.PositiveOrNull("low_freq_factor") ?? throw rope.Missing("low_freq_factor");
        float high = rope.PositiveOrNull("high_freq_factor") ?? throw rope.Missing("high_freq_factor");
        if (high <= low)
            throw new InvalidDataException($"{rope.Path}: key 'high_freq_factor' is {high}, not above low_freq_factor, {low}.");
        float[] factors = new float[headDim / 2];
        for (int i = 0; i < factors.Length; i++)
        {
            double wavelength = 2 * Math.PI * Math.Pow(_theta, 2.0 * i / headDim);
            double turns = _originalContext / wavelength;
            double blend = Math.Clamp((turns - low) / (high - low), 0, 1);
            factors[i] = (float)(1 / ((1 - blend) / _factor + blend));
        }
        return factors;
    }

    /// <summary>What YaRN multiplies queries and keys by; GGUF's readers begin from the second case.</summary>
    private float AttentionFactor(JsonFile rope)
    {
        if (rope.PositiveOrNull("attention_factor") is { } given)
            return given;
        return rope.PositiveOrNull("mscale") is { } mscale && rope.PositiveOrNull("mscale_all_dim") is { } all
            ? Magnitude(_factor, mscale) / Magnitude(_factor, all)
            : Magnitude(_factor, 1);
    }

    /// <summary>DeepSeek multiplies scores instead, and the two factors of rotations cancel out.</summary>
    private static float LogMultiplier(JsonFile rope)
    {
        if (rope.Has("attention_factor"))
            throw rope.Unsupported("attention_factor");
        if (rope.PositiveOrNull("mscale") != rope.PositiveOrNull("mscale_all_dim"))
            throw rope.Unsupported("mscale", "it has the value of mscale_all_dim");
        // In double precision, as others write it.
        return rope.TryGet("mscale_all_dim", out JsonElement all) ? (float)(0.1 * all.GetDouble()) : throw rope.Missing("mscale_all_dim");
    }

    private static float Magnitude(float factor, float mscale) => factor <= 1 ? 1 : 0.1f * mscale * MathF.Log(factor) + 1;

    private static void RefuseOtherKeys(JsonFile rope, string[] known)
    {
        foreach (string key in rope.Keys)
        {
            bool isKnown = key is "rope_type" or "type" or "rope_theta" || known.Contains(key)
                || (key == "partial_rotary_factor" && rope.PositiveOrNull(key) is 1);
            if (!isKnown)
                throw rope.Unsupported(key);
        }
    }
}
