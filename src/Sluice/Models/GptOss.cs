using Sluice.Cache;
using Sluice.Models.Layers;
using Sluice.Tensors;

namespace Sluice.Models;

/// <summary>
/// GPT-oss (OpenAI 2025): a mixture of experts with biases and a clamped gate, learned attention sinks, and a sliding window in
/// every other layer.
/// </summary>
internal static class GptOss
{
    public static Model Load(ModelLoader loader)
    {
        ModelConfig config = loader.Config;
        RopeFrequencies rope = RopeFrequencies.Read(loader, defaultBase: 150_000, truncate: false);
        Retention windowed = new(config.Positive("attention.sliding_window"), 0);
        Router router = new(config.Int("expert_used_count"), Gating.SoftmaxOfChosen);
        int width = config.Positive("expert_feed_forward_length");
        config.Ignore("feed_forward_length"); // of dense layers, of which there are none
        return new Transformer(loader, layer => new Block(
            Norm.Rms(loader, $"blk.{layer}.attn_norm", config.Embedding),
            new GroupedQueryAttention(loader, layer, RopePairing.Halves, layer % 2 == 0 ? windowed : loader.Options.Retention),
            Norm.Rms(loader, $"blk.{layer}.post_attention_norm", config.Embedding),
            new MixtureOfExperts(loader, layer, width, router, Activation.OaiSwiGlu))
        { Rope = rope });
    }
}
