namespace Sluice.Files.HuggingFace;

/// <summary>What config.json says of a mixture of experts, one method for each kind of model.</summary>
internal static class MixtureConfig
{
    /// <summary>The keys by which a mixture of experts is told.</summary>
    public static IReadOnlyList<string> Keys { get; } = ["num_experts", "num_local_experts", "n_routed_experts"];

    public static void Mixtral(JsonFile config, Metadata metadata) => AddCounts(config, metadata, "llama", "num_local_experts");

    public static void Qwen2(JsonFile config, Metadata metadata)
    {
        Qwen(config, metadata, "qwen2moe", normalizesByDefault: false);
        metadata.Add("qwen2moe.expert_shared_feed_forward_length", (uint)config.Count("shared_expert_intermediate_size"));
    }

    public static void Qwen3(JsonFile config, Metadata metadata) => Qwen(config, metadata, "qwen3moe", normalizesByDefault: true);

    public static void DeepSeek2(JsonFile config, Metadata metadata)
    {
        if (config.TextOrNull("scoring_func") is not (null or "softmax"))
            throw config.Unsupported("scoring_func", "it has softmax for these models");
        string method = config.TextOrNull("topk_method") ?? "greedy";
        if (method is not ("greedy" or "group_limited_greedy"))
            throw config.Unsupported("topk_method", "it has greedy and group_limited_greedy for these models");
        // Published programs differ in whether the scale is left out then.
        if (config.BoolOrNull("norm_topk_prob") is true)
            throw config.Unsupported("norm_topk_prob");
        DeepSeek(config, metadata, gating: 1);
        if (method == "group_limited_greedy")
            AddGroups(config, metadata);
    }

    public static void DeepSeek3(JsonFile config, Metadata metadata)
    {
        if (config.TextOrNull("scoring_func") is not (null or "sigmoid"))
            throw config.Unsupported("scoring_func", "it has sigmoid for these models");
        if (config.TextOrNull("topk_method") is not (null or "noaux_tc"))
            throw config.Unsupported("topk_method", "it has noaux_tc for these models");
        DeepSeek(config, metadata, gating: 2);
        AddGroups(config, metadata);
    }

    public static void GptOss(JsonFile config, Metadata metadata)
    {
        AddCounts(config, metadata, "gpt-oss", "num_local_experts");
        metadata.Add("gpt-oss.expert_feed_forward_length", (uint)config.Count("intermediate_size"));
        if (config.PositiveOrNull("swiglu_limit") is not (null or 7f))
            throw config.Unsupported("swiglu_limit", "it has 7");
    }

    private static void AddGroups(JsonFile config, Metadata metadata)
    {
        metadata.Add("deepseek2.expert_group_count", (uint)config.Count("n_group"));
        metadata.Add("deepseek2.expert_group_used_count", (uint)config.Count("topk_group"));
    }

    private static void DeepSeek(JsonFile config, Metadata metadata, uint gating)
    {
        if (config.CountOrNull("moe_layer_freq") is not (null or 1))
            throw config.Unsupported("moe_layer_freq", "it has experts in every layer after the dense ones");
        AddCounts(config, metadata, "deepseek2", "n_routed_experts");
        metadata.Add("deepseek2.leading_dense_block_count", (uint)(config.WholeOrNull("first_k_dense_replace") ?? 0));
        metadata.Add("deepseek2.expert_feed_forward_length", (uint)config.Count("moe_intermediate_size"));
        metadata.Add("deepseek2.expert_shared_count", (uint)(config.CountOrNull("n_shared_experts") ?? 0));
        metadata.Add("deepseek2.expert_weights_scale", config.PositiveOrNull("routed_scaling_factor") ?? 1);
        metadata.Add("deepseek2.expert_weights_norm", config.BoolOrNull("norm_topk_prob") ?? gating == 2);
        metadata.Add("deepseek2.expert_gating_func", gating);
    }

    private static void Qwen(JsonFile config, Metadata metadata, string prefix, bool normalizesByDefault)
    {
        // Which layers are dense (mlp_only_layers, decoder_sparse_step) is read off their tensors.
        AddCounts(config, metadata, prefix, "num_experts");
        metadata.Add($"{prefix}.expert_feed_forward_length", (uint)config.Count("moe_intermediate_size"));
        // GGUF's readers know what an architecture does; the key says it where a model does otherwise.
        bool normalizes = config.BoolOrNull("norm_topk_prob") ?? false;
        if (normalizes != normalizesByDefault)
            metadata.Add($"{prefix}.expert_weights_norm", normalizes);
    }

    private static void AddCounts(JsonFile config, Metadata metadata, string prefix, string key)
    {
        metadata.Add($"{prefix}.expert_count", (uint)config.Count(key));
        metadata.Add($"{prefix}.expert_used_count", (uint)config.Count("num_experts_per_tok"));
    }
}
