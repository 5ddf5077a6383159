using Sluice.Cache;
using Sluice.Models.Layers;
using Sluice.Tensors;

namespace Sluice.Models;

/// <summary>
/// Gemma 2 (Riviere et al. 2024) and Gemma 3 (Kamath et al. 2025): scaled embeddings, norms after as well as before each part,
/// GeGLU, and most layers with a sliding window. Gemma 2 caps scores and logits; Gemma 3 norms queries and keys, and its
/// windowed layers rotate faster.
/// </summary>
internal static class Gemma
{
    public static Model Load2(ModelLoader loader)
    {
        ModelConfig config = loader.Config;
        RopeFrequencies rope = RopeFrequencies.Read(loader);
        Retention windowed = new(config.Positive("attention.sliding_window"), 0);
        float scale = Scale(config, largest: 46);
        float cap = config.Float("attn_logit_softcapping", 50);
        return new Transformer(loader, layer => Block(
            loader, layer, rope, layer % 2 == 0 ? windowed : loader.Options.Retention, scale, cap))
        {
            EmbeddingScale = MathF.Sqrt(config.Embedding),
            LogitCap = config.Float("final_logit_softcapping", 30),
        };
    }

    public static Model Load3(ModelLoader loader)
    {
        ModelConfig config = loader.Config;
        RopeFrequencies global = RopeFrequencies.Read(loader, defaultBase: 1_000_000);
        // The stretching to long contexts is of the global layers alone.
        float localBase = config.Float("rope.freq_base_swa", 10_000);
        RopeFrequencies local = new(loader.Ops.LoadVector(RopeFrequencies.Plain(localBase, 2 * global.Frequencies.Columns)), 1);
        Retention windowed = new(config.Positive("attention.sliding_window"), 0);
        float scale = Scale(config, largest: 62);
        return new Transformer(loader, layer => layer % 6 == 5
            ? Block(loader, layer, global, loader.Options.Retention, scale, 0)
            : Block(loader, layer, local, windowed, scale, 0))
        {
            EmbeddingScale = MathF.Sqrt(config.Embedding),
            LogitCap = config.Float("final_logit_softcapping", 0),
        };
    }

    private static Block Block(ModelLoader loader, int layer, RopeFrequencies rope, Retention retention, float scale, float cap)
    {
        ModelConfig config = loader.Config;
        return new Block(
            Norm.Rms(loader, $"blk.{layer}.attn_norm", config.Embedding),
            new GroupedQueryAttention(loader, layer, RopePairing.Halves, retention, scale, cap),
            Norm.Rms(loader, $"blk.{layer}.ffn_norm", config.Embedding),
            new GatedFeedForward(loader, $"blk.{layer}.ffn", config.FeedForward, Activation.Gelu))
        {
            AfterMixer = Norm.Rms(loader, $"blk.{layer}.post_attention_norm", config.Embedding),
            AfterFeedForward = Norm.Rms(loader, $"blk.{layer}.post_ffw_norm", config.Embedding),
            Rope = rope,
        };
    }

    /// <summary>The factor of scores. The 27B models, told by their layers, have heads that do not divide the embedding.</summary>
    private static float Scale(ModelConfig config, int largest) =>
        1 / MathF.Sqrt(config.Layers == largest ? config.Embedding / config.Heads : config.KeyLength);
}
