using Sluice.Models.Layers;
using Sluice.Tensors;

namespace Sluice.Models;

/// <summary>
/// DeepSeek-V2 and V3 (DeepSeek-AI 2024): latent attention, a few dense layers, then mixtures of many small experts, some of
/// them shared.
/// </summary>
internal static class DeepSeek2
{
    public static Model Load(ModelLoader loader)
    {
        ModelConfig config = loader.Config;
        RopeFrequencies rope = RopeFrequencies.Read(loader, dimension: config.Positive("rope.dimension_count"));
        float factor = config.Float("rope.scaling.factor", 1);
        // DeepSeek applies YaRN's factor to the scores (squared, since queries and keys both have it), not to the rotations.
        float magnitude = 1 + (config.Float("rope.scaling.yarn_log_multiplier", 0) * MathF.Log(factor));
        rope = rope with { Magnitude = 1 };

        int dense = config.Int("leading_dense_block_count", 0);
        int width = config.Experts > 0 ? config.Positive("expert_feed_forward_length") : 0;
        int shared = config.Int("expert_shared_count", 0) * width;
        Gating gating = Gate(config);
        Router router = new(config.Int("expert_used_count", 0), gating)
        {
            Normalize = config.Bool("expert_weights_norm", false),
            Scale = config.Float("expert_weights_scale", 1),
            Groups = config.Int("expert_group_count", 1),
            GroupsUsed = config.Int("expert_group_used_count", 1),
            BestOfGroup = gating == Gating.Softmax ? 1 : 2, // V2 and V3 differ; no key says how
        };
        if (router.Groups <= 0 || config.Experts % router.Groups != 0)
            throw config.Wrong("expert_group_count", router.Groups);
        if (router.GroupsUsed <= 0 || router.GroupsUsed > router.Groups || router.Used > config.Experts / router.Groups * router.GroupsUsed)
            throw config.Wrong("expert_group_used_count", router.GroupsUsed);
        return new Transformer(loader, layer => new Block(
            Norm.Rms(loader, $"blk.{layer}.attn_norm", config.Embedding),
            new LatentAttention(loader, layer, magnitude * magnitude),
            Norm.Rms(loader, $"blk.{layer}.ffn_norm", config.Embedding),
            config.Experts == 0 || layer < dense
                ? new GatedFeedForward(loader, $"blk.{layer}.ffn", config.FeedForward, Activation.Silu)
                : new MixtureOfExperts(loader, layer, width, router, Activation.Silu, shared))
        { Rope = rope });
    }

    private static Gating Gate(ModelConfig config) => config.Int("expert_gating_func", 1) switch
    {
        1 => Gating.Softmax,
        2 => Gating.Sigmoid,
        int other => throw config.Unsupported("expert_gating_func", other),
    };
}
