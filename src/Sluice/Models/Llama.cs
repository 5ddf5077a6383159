using Sluice.Cache;
using Sluice.Models.Layers;
using Sluice.Tensors;

namespace Sluice.Models;

/// <summary>
/// Llama 1 to 3 (Touvron et al. 2023) and Mistral, and with experts Mixtral (Jiang et al. 2024): root mean square norms before
/// attention and feed-forward, rotary positions, SwiGLU.
/// </summary>
internal static class Llama
{
    public static Model Load(ModelLoader loader)
    {
        ModelConfig config = loader.Config;
        // Llama 3.1 and later store their stretching as a divisor of each pair's frequency.
        Tensor factors = loader.OptionalVector("rope_freqs.weight", config.Int("rope.dimension_count", config.KeyLength) / 2);
        RopeFrequencies rope = RopeFrequencies.Read(loader, factors: factors);
        int window = config.Int("attention.sliding_window", 0); // Mistral 7B's first version
        Retention retention = window > 0 ? new Retention(window, 0) : loader.Options.Retention;
        Router router = new(config.Int("expert_used_count", 0), Gating.Softmax) { Normalize = true };
        return new Transformer(loader, layer => new Block(
            Norm.Rms(loader, $"blk.{layer}.attn_norm", config.Embedding),
            new GroupedQueryAttention(loader, layer, RopePairing.Adjacent, retention),
            Norm.Rms(loader, $"blk.{layer}.ffn_norm", config.Embedding),
            config.Experts == 0
                ? new GatedFeedForward(loader, $"blk.{layer}.ffn", config.FeedForward, Activation.Silu)
                : new MixtureOfExperts(loader, layer, config.FeedForward, router, Activation.Silu))
        { Rope = rope });
    }
}
