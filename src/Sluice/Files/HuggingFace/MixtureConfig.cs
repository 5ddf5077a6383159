using System.Text.Json;

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

    private static void Qwen(JsonFile config, Metadata metadata, string prefix, bool normalizesByDefault)
    {
        if (config.CountOrNull("decoder_sparse_step") is not (null or 1))
            throw config.Unsupported("decoder_sparse_step", "it has experts in every layer");
        if (config.TryGet("mlp_only_layers", out JsonElement dense) && !(dense.ValueKind is JsonValueKind.Array && dense.GetArrayLength() == 0))
            throw config.Unsupported("mlp_only_layers", "it has experts in every layer");
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
