using Sluice.Models.Layers;
using Sluice.Tensors;

namespace Sluice.Models;

/// <summary>BitNet b1.58 (Ma et al. 2024): Llama's structure with ternary weights, and norms before each part's last map.</summary>
internal static class BitNet
{
    public static Model Load(ModelLoader loader)
    {
        ModelConfig config = loader.Config;
        RopeFrequencies rope = RopeFrequencies.Read(loader);
        return new Transformer(loader, layer => new Block(
            Norm.Rms(loader, $"blk.{layer}.attn_norm", config.Embedding),
            new GroupedQueryAttention(loader, layer, RopePairing.Halves, loader.Options.Retention),
            Norm.Rms(loader, $"blk.{layer}.ffn_norm", config.Embedding),
            new GatedFeedForward(loader, $"blk.{layer}.ffn", config.FeedForward, Activation.Silu))
        { Rope = rope });
    }
}
