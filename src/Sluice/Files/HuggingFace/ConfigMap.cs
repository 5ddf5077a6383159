using System.Text.Json;

namespace Sluice.Files.HuggingFace;

/// <summary>Turns <c>config.json</c> into GGUF's metadata, and refuses what Sluice would compute differently.</summary>
internal sealed class ConfigMap
{
    private readonly JsonFile _config;

    public ConfigMap(JsonFile config)
    {
        _config = config;
        Architecture = Architecture.Of(config);
        RefuseWhatIsNotImplemented();
        Layers = config.Count("num_hidden_layers");
        Heads = config.Count("num_attention_heads");
        // The other kinds have defaults of their own, which every published file overrides.
        KvHeads = config.CountOrNull("num_key_value_heads")
            ?? (Architecture.ModelType == "llama" ? Heads : throw config.Missing("num_key_value_heads"));
        if (Heads % KvHeads != 0)
        {
            throw new InvalidDataException(
                $"{config.Path}: key 'num_attention_heads' is {Heads}, no multiple of num_key_value_heads, {KvHeads}.");
        }
        int hidden = config.Count("hidden_size");
        HeadDim = Architecture.HasLatentAttention ? config.Count("qk_rope_head_dim")
            : config.CountOrNull("head_dim") ?? (Architecture.HeadDim > 0 ? Architecture.HeadDim : hidden / Heads);
        if (HeadDim is < 2 or > 65536 || HeadDim % 2 != 0)
        {
            throw new InvalidDataException(
                $"{config.Path}: key 'head_dim' is {HeadDim} (given, or hidden_size / num_attention_heads); even, 2 to 65536, can be.");
        }
        TiedEmbeddings = config.BoolOrNull("tie_word_embeddings") ?? false;
        Rope = new RopeConfig(config, HeadDim, Architecture);
        Quantization = QuantizedLayout.Of(config);
        Metadata = Map(hidden);
    }

    public Architecture Architecture { get; }

    public int Layers { get; }

    public int Heads { get; }

    public int KvHeads { get; }

    /// <summary>The values of a head that rotate, which are all of them but where attention is latent.</summary>
    public int HeadDim { get; }

    /// <summary>Whether the output matrix is the embedding matrix.</summary>
    public bool TiedEmbeddings { get; }

    public RopeConfig Rope { get; }

    /// <summary>How the weights of linear maps are stored.</summary>
    public QuantizedLayout Quantization { get; }

    public TensorLayout Layout => new(
        Architecture, Layers, Heads, KvHeads, HeadDim, TiedEmbeddings, Metadata.GetInt32($"{Architecture.Gguf}.expert_count", 0),
        _config.WholeOrNull("num_nextn_predict_layers") ?? 0);

    public Metadata Metadata { get; }

    private Metadata Map(int hidden)
    {
        string prefix = Architecture.Gguf;
        string folder = Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(_config.Path)) ?? "");
        Metadata metadata = new(_config.Path)
        {
            { "general.architecture", prefix },
            { "general.name", folder },
            { $"{prefix}.block_count", (uint)Layers },
            { $"{prefix}.context_length", (uint)_config.Count("max_position_embeddings") },
            { $"{prefix}.embedding_length", (uint)hidden },
            { $"{prefix}.vocab_size", (uint)_config.Count("vocab_size") },
            { $"{prefix}.feed_forward_length", (uint)_config.Count("intermediate_size") },
            { $"{prefix}.attention.head_count", (uint)Heads },
            { $"{prefix}.attention.head_count_kv", (uint)KvHeads },
            // Every one of these architectures has 1e-6 as its default.
            { $"{prefix}.attention.layer_norm_rms_epsilon", _config.PositiveOrNull("rms_norm_eps") ?? 1e-6f },
            { $"{prefix}.rope.dimension_count", (uint)HeadDim },
        };
        if (Architecture.HasLatentAttention)
        {
            AddLatent(metadata, prefix);
        }
        else if (HeadDim * (long)Heads != hidden)
        {
            metadata.Add($"{prefix}.attention.key_length", (uint)HeadDim);
            metadata.Add($"{prefix}.attention.value_length", (uint)HeadDim);
        }
        // Mistral and Mixtral slide their window wherever one is given; a model without the key attends to everything.
        if (Architecture.ModelType is "mistral" or "mixtral" && _config.CountOrNull("sliding_window") is { } window)
            metadata.Add($"{prefix}.attention.sliding_window", (uint)window);
        if (Architecture.HasEveryOtherWindowed)
            metadata.Add($"{prefix}.attention.sliding_window", (uint)_config.Count("sliding_window"));
        Architecture.Experts?.Invoke(_config, metadata);
        Rope.AddTo(metadata, prefix);
        return metadata;
    }

    private void AddLatent(Metadata metadata, string prefix)
    {
        if (_config.BoolOrNull("rope_interleave") is false)
            throw _config.Unsupported("rope_interleave", "it has true");
        if (_config.CountOrNull("q_lora_rank") is { } rank)
            metadata.Add($"{prefix}.attention.q_lora_rank", (uint)rank);
        metadata.Add($"{prefix}.attention.kv_lora_rank", (uint)_config.Count("kv_lora_rank"));
        metadata.Add($"{prefix}.attention.key_length", (uint)_config.Count("qk_nope_head_dim") + (uint)HeadDim);
        metadata.Add($"{prefix}.attention.value_length", (uint)_config.Count("v_head_dim"));
    }

    /// <summary>
    /// The fields that change what these architectures compute. The tensors' names are the second net: one that is not known is
    /// refused too (<see cref="TensorMap"/>).
    /// </summary>
    private void RefuseWhatIsNotImplemented()
    {
        foreach (string key in (ReadOnlySpan<string>)
            ["attention_bias", "mlp_bias", "use_sliding_window", "use_mrope", "use_qk_norm", "rope_interleaved"])
        {
            if (_config.BoolOrNull(key) is true && !(key == "attention_bias" && Architecture.HasQkvBias))
                throw _config.Unsupported(key);
        }
        if (_config.Has("clip_qkv"))
            throw _config.Unsupported("clip_qkv");
        if (Architecture.Experts is null && MixtureConfig.Keys.FirstOrDefault(_config.Has) is { } experts)
            throw _config.Unsupported(experts);
        foreach (string key in (ReadOnlySpan<string>)["hidden_act", "hidden_activation"])
        {
            if (_config.TextOrNull(key) is not (null or "silu" or "swish"))
                throw _config.Unsupported(key, "it has silu for these models");
        }
        foreach (string key in (ReadOnlySpan<string>)
            ["partial_rotary_factor", "embedding_multiplier", "residual_multiplier", "attention_multiplier", "logits_scaling"])
        {
            if (_config.PositiveOrNull(key) is not (null or 1f))
                throw _config.Unsupported(key);
        }
        string[] expected = Architecture.HasEveryOtherWindowed ? ["sliding_attention", "full_attention"] : ["full_attention"];
        if (_config.TryGet("layer_types", out JsonElement types)
            && (types.ValueKind is not JsonValueKind.Array
                || !types.EnumerateArray().Select((type, layer) => IsText(type, expected[layer % expected.Length])).All(isExpected => isExpected)))
        {
            throw _config.Unsupported("layer_types", $"it has {string.Join(" and ", expected)} {(expected.Length > 1 ? "by turns" : "in every layer")} for these models");
        }
    }

    private static bool IsText(JsonElement value, string text) => value.ValueKind is JsonValueKind.String && value.ValueEquals(text);
}
