using Sluice.Compression;

namespace Sluice.Cli.Synthesis;

/// <summary>The sizes of a published model, by which one can be made up that costs the same time and memory.</summary>
/// <param name="Name">The model.</param>
/// <param name="Architecture">As in <c>general.architecture</c>.</param>
/// <param name="Layers">Layers.</param>
/// <param name="Embedding">The width of the residual stream.</param>
/// <param name="FeedForward">The width of the feed-forward layers.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KvHeads">Key-value heads.</param>
/// <param name="HeadDimension">Values of a head.</param>
/// <param name="Vocabulary">Tokens.</param>
/// <param name="IsTied">Whether the output map is the embedding table.</param>
internal sealed record Shape(
    string Name, string Architecture, int Layers, int Embedding, int FeedForward, int Heads, int KvHeads, int HeadDimension,
    int Vocabulary, bool IsTied)
{
    /// <summary>Experts of a layer; 0 where it has none. Their width is <see cref="FeedForward"/>.</summary>
    public int Experts { get; init; }

    /// <summary>Experts that a token uses.</summary>
    public int UsedExperts { get; init; }

    /// <summary>What of it decides types.</summary>
    public ModelShape Model => new(Layers, Heads / KvHeads, Experts, IsTied);

    /// <summary>All shapes, from the models' config.json. A new one is a line here.</summary>
    public static IReadOnlyList<Shape> All { get; } =
    [
        new("stories-15m", "llama", 6, 288, 768, 6, 6, 48, 32000, true),
        new("smollm2-135m", "llama", 30, 576, 1536, 9, 3, 64, 49152, true),
        new("tinyllama-1.1b", "llama", 22, 2048, 5632, 32, 4, 64, 32000, false),
        new("llama-3.2-1b", "llama", 16, 2048, 8192, 32, 8, 64, 128256, true),
        new("llama-3.2-3b", "llama", 28, 3072, 8192, 24, 8, 128, 128256, true),
        new("llama-3.1-8b", "llama", 32, 4096, 14336, 32, 8, 128, 128256, false),
        new("llama-2-7b", "llama", 32, 4096, 11008, 32, 32, 128, 32000, false),
        new("mistral-7b", "llama", 32, 4096, 14336, 32, 8, 128, 32768, false),
        new("qwen2.5-0.5b", "qwen2", 24, 896, 4864, 14, 2, 64, 151936, true),
        new("qwen2.5-1.5b", "qwen2", 28, 1536, 8960, 12, 2, 128, 151936, true),
        new("qwen2.5-7b", "qwen2", 28, 3584, 18944, 28, 4, 128, 152064, false),
        new("qwen3-0.6b", "qwen3", 28, 1024, 3072, 16, 8, 128, 151936, true),
        new("qwen3-1.7b", "qwen3", 28, 2048, 6144, 16, 8, 128, 151936, true),
        new("qwen3-4b", "qwen3", 36, 2560, 9728, 32, 8, 128, 151936, true),
        new("qwen3-8b", "qwen3", 36, 4096, 12288, 32, 8, 128, 151936, false),
        // 6 of its 48 layers, to fit in small machines: the layers are what is measured.
        new("qwen3-30b-a3b-6-layers", "qwen3moe", 6, 2048, 768, 32, 4, 128, 151936, false) { Experts = 128, UsedExperts = 8 },
    ];

    /// <summary>The tensors, in a file's usual order: name and dimensions, the fastest first.</summary>
    public IEnumerable<(string Name, long[] Shape)> Tensors()
    {
        long queries = (long)Heads * HeadDimension, keys = (long)KvHeads * HeadDimension;
        yield return ("token_embd.weight", [Embedding, Vocabulary]);
        for (int layer = 0; layer < Layers; layer++)
        {
            string prefix = $"blk.{layer}.";
            yield return (prefix + "attn_norm.weight", [Embedding]);
            yield return (prefix + "attn_q.weight", [Embedding, queries]);
            yield return (prefix + "attn_k.weight", [Embedding, keys]);
            yield return (prefix + "attn_v.weight", [Embedding, keys]);
            yield return (prefix + "attn_output.weight", [queries, Embedding]);
            if (Architecture == "qwen2")
            {
                yield return (prefix + "attn_q.bias", [queries]);
                yield return (prefix + "attn_k.bias", [keys]);
                yield return (prefix + "attn_v.bias", [keys]);
            }
            if (Architecture is "qwen3" or "qwen3moe")
            {
                yield return (prefix + "attn_q_norm.weight", [HeadDimension]);
                yield return (prefix + "attn_k_norm.weight", [HeadDimension]);
            }
            yield return (prefix + "ffn_norm.weight", [Embedding]);
            if (Experts > 0)
            {
                yield return (prefix + "ffn_gate_inp.weight", [Embedding, Experts]);
                yield return (prefix + "ffn_gate_exps.weight", [Embedding, FeedForward, Experts]);
                yield return (prefix + "ffn_up_exps.weight", [Embedding, FeedForward, Experts]);
                yield return (prefix + "ffn_down_exps.weight", [FeedForward, Embedding, Experts]);
                continue;
            }
            yield return (prefix + "ffn_gate.weight", [Embedding, FeedForward]);
            yield return (prefix + "ffn_up.weight", [Embedding, FeedForward]);
            yield return (prefix + "ffn_down.weight", [FeedForward, Embedding]);
        }
        yield return ("output_norm.weight", [Embedding]);
        if (!IsTied)
            yield return ("output.weight", [Embedding, Vocabulary]);
    }
}
