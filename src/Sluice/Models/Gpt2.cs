using Sluice.Models.Layers;
using Sluice.Tensors;

namespace Sluice.Models;

/// <summary>GPT-2 (Radford et al. 2019): learned positions, layer norms, biases everywhere, GELU.</summary>
internal static class Gpt2
{
    public static Model Load(ModelLoader loader)
    {
        ModelConfig config = loader.Config;
        return new Transformer(
            loader,
            layer => new Block(
                Norm.Layer(loader, $"blk.{layer}.attn_norm", config.Embedding),
                new GroupedQueryAttention(loader, layer, RopePairing.Halves, loader.Options.Retention),
                Norm.Layer(loader, $"blk.{layer}.ffn_norm", config.Embedding),
                new PlainFeedForward(loader, layer, Activation.Gelu)),
            Norm.Layer)
        {
            PositionEmbedding = loader.Stored("position_embd.weight", config.Embedding, config.ContextLength, 1),
        };
    }
}
