namespace Sluice.TrainStarter;

/// <summary>The sizes of a llama model; names as in the GGUF metadata.</summary>
internal sealed record LlamaShape(
    int Vocabulary, int Width, int Layers, int Heads, int KvHeads, int FeedForward, int Context, float NormEpsilon = 1e-5f)
{
    public int HeadWidth => Width / Heads;

    /// <summary>The model that is shipped: every row is a multiple of 32 weights, as Q8_0 needs.</summary>
    public static LlamaShape Starter { get; } = new(
        Vocabulary: 512, Width: 128, Layers: 6, Heads: 4, KvHeads: 2, FeedForward: 352, Context: 512);

    /// <summary>The name and shape ([rows, columns]) of every weight, in the order of the file.</summary>
    public IEnumerable<(string Name, long[] Shape)> Weights()
    {
        yield return ("token_embd.weight", [Vocabulary, Width]);
        yield return ("output_norm.weight", [Width]);
        for (int layer = 0; layer < Layers; layer++)
        {
            string prefix = $"blk.{layer}.";
            yield return (prefix + "attn_norm.weight", [Width]);
            yield return (prefix + "attn_q.weight", [Heads * HeadWidth, Width]);
            yield return (prefix + "attn_k.weight", [KvHeads * HeadWidth, Width]);
            yield return (prefix + "attn_v.weight", [KvHeads * HeadWidth, Width]);
            yield return (prefix + "attn_output.weight", [Width, Heads * HeadWidth]);
            yield return (prefix + "ffn_norm.weight", [Width]);
            yield return (prefix + "ffn_gate.weight", [FeedForward, Width]);
            yield return (prefix + "ffn_up.weight", [FeedForward, Width]);
            yield return (prefix + "ffn_down.weight", [Width, FeedForward]);
        }
    }
}
