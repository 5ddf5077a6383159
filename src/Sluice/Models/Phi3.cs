using Sluice.Cache;
using Sluice.Models.Layers;
using Sluice.Tensors;

namespace Sluice.Models;

/// <summary>
/// Phi-3 (Abdin et al. 2024): Llama's structure with joined Q, K, V and joined gate and up, and LongRoPE's factors for long
/// contexts.
/// </summary>
internal static class Phi3
{
    public static Model Load(ModelLoader loader)
    {
        ModelConfig config = loader.Config;
        int pairs = config.Int("rope.dimension_count", config.KeyLength) / 2;
        int context = loader.Options.Context > 0 ? loader.Options.Context : config.ContextLength;
        bool isLong = context > config.Int("rope.scaling.original_context_length", config.ContextLength);
        Tensor shortFactors = loader.OptionalVector("rope_factors_short.weight", pairs);
        Tensor longFactors = loader.OptionalVector("rope_factors_long.weight", pairs);
        RopeFrequencies rope = RopeFrequencies.Read(loader, factors: isLong ? longFactors : shortFactors);
        int window = config.Int("attention.sliding_window", 0);
        Retention retention = window > 0 ? new Retention(window, 0) : loader.Options.Retention;
        return new Transformer(loader, layer => new Block(
            Norm.Rms(loader, $"blk.{layer}.attn_norm", config.Embedding),
            new GroupedQueryAttention(loader, layer, RopePairing.Halves, retention),
            Norm.Rms(loader, $"blk.{layer}.ffn_norm", config.Embedding),
            new GatedFeedForward(loader, $"blk.{layer}.ffn", config.FeedForward, Activation.Silu))
        { Rope = rope });
    }
}
