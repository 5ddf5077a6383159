using Sluice.Models.Layers;
using Sluice.Tensors;

namespace Sluice.Models;

/// <summary>
/// Qwen 2 and 2.5 (Yang et al. 2024), Qwen 3 (2025) and their mixtures of experts: Llama's structure with rotations of halves;
/// Qwen 2 has biases on queries, keys and values, Qwen 3 norms of each head's queries and keys instead. Qwen 2's mixtures have an
/// expert that all tokens share, and do not scale the chosen experts' weights up to 1. Layers without a router are dense.
/// </summary>
internal static class Qwen
{
    public static Model Load(ModelLoader loader)
    {
        ModelConfig config = loader.Config;
        RopeFrequencies rope = RopeFrequencies.Read(loader);
        bool isShared = config.Architecture == "qwen2moe";
        Router router = new(config.Int("expert_used_count", 0), Gating.Softmax) { Normalize = config.Bool("expert_weights_norm", !isShared) };
        int expertWidth = config.Experts > 0 ? config.Positive("expert_feed_forward_length") : 0;
        // Older files have the shared expert's width as that of dense layers.
        int sharedWidth = isShared ? config.Int("expert_shared_feed_forward_length", config.FeedForward) : 0;
        if (config.Experts > 0)
            config.Ignore("feed_forward_length"); // of dense layers, of which there may be none
        return new Transformer(loader, layer => new Block(
            Norm.Rms(loader, $"blk.{layer}.attn_norm", config.Embedding),
            new GroupedQueryAttention(loader, layer, RopePairing.Halves, loader.Options.Retention),
            Norm.Rms(loader, $"blk.{layer}.ffn_norm", config.Embedding),
            config.Experts == 0 || !loader.Has($"blk.{layer}.ffn_gate_inp.weight")
                ? new GatedFeedForward(loader, $"blk.{layer}.ffn", config.FeedForward, Activation.Silu)
                : new MixtureOfExperts(loader, layer, expertWidth, router, Activation.Silu, sharedWidth))
        { Rope = rope });
    }
}
