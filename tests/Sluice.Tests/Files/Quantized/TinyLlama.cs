using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace Sluice.Files;

/// <summary>
/// Writes a small llama (or Mixtral) of random weights twice: in a method's layout, and as the plain F32 that this stands for, worked out beside it.
/// </summary>
internal static class TinyLlama
{
    public const int Hidden = 256, Inner = 512, ExpertInner = 128, Heads = 4, KvHeads = 2, HeadDim = 64, Vocabulary = 96;

    /// <summary>Writes both.</summary>
    /// <param name="folder">The method's checkpoint.</param>
    /// <param name="plain">Its twin.</param>
    /// <param name="quantization">What config.json says of it; null for nothing.</param>
    /// <param name="write">The method.</param>
    /// <param name="isTied">Whether the output matrix is the embedding.</param>
    /// <param name="quantizesHead">Whether the output matrix is stored by the method too.</param>
    /// <param name="plainModule">A map that stays plain.</param>
    /// <param name="experts">Experts of a mixture, of which each token uses two; 0 for none.</param>
    public static void Write(
        TemporaryFolder folder, TemporaryFolder plain, JsonObject? quantization, WriteMap write, bool isTied = false, bool quantizesHead = false,
        string? plainModule = null, int experts = 0)
    {
        JsonObject config = new()
        {
            ["model_type"] = experts > 0 ? "mixtral" : "llama",
            ["num_hidden_layers"] = 1,
            ["max_position_embeddings"] = 64,
            ["hidden_size"] = Hidden,
            ["intermediate_size"] = experts > 0 ? ExpertInner : Inner,
            ["vocab_size"] = Vocabulary,
            ["num_attention_heads"] = Heads,
            ["num_key_value_heads"] = KvHeads,
            ["rms_norm_eps"] = 1e-5,
            ["tie_word_embeddings"] = isTied,
        };
        if (experts > 0)
            (config["num_local_experts"], config["num_experts_per_tok"]) = (experts, 2);
        plain.Write("config.json", config.ToJsonString());
        if (quantization is not null)
            config["quantization_config"] = quantization;
        folder.Write("config.json", config.ToJsonString());

        Random random = new(11);
        RawSafetensors file = new(), twin = new();
        void Plain(string name, float[] values, params long[] shape)
        {
            file.Add(name, "F32", shape, MemoryMarshal.AsBytes<float>(values));
            twin.Add(name, "F32", shape, MemoryMarshal.AsBytes<float>(values));
        }
        void Map(string module, int rows, int columns)
        {
            float[] weights = Normal(random, rows * columns, 1 / MathF.Sqrt(columns));
            if (module == plainModule)
                Plain(module + ".weight", weights, rows, columns);
            else
                twin.Add(module + ".weight", "F32", [rows, columns], MemoryMarshal.AsBytes<float>(write(file, module, weights, rows, columns)));
        }
        Plain("model.embed_tokens.weight", Normal(random, Vocabulary * Hidden, 1), Vocabulary, Hidden);
        Plain("model.norm.weight", [.. Enumerable.Repeat(1f, Hidden)], Hidden);
        Plain("model.layers.0.input_layernorm.weight", [.. Enumerable.Repeat(1f, Hidden)], Hidden);
        Plain("model.layers.0.post_attention_layernorm.weight", [.. Enumerable.Repeat(1f, Hidden)], Hidden);
        Map("model.layers.0.self_attn.q_proj", Heads * HeadDim, Hidden);
        Map("model.layers.0.self_attn.k_proj", KvHeads * HeadDim, Hidden);
        Map("model.layers.0.self_attn.v_proj", KvHeads * HeadDim, Hidden);
        Map("model.layers.0.self_attn.o_proj", Hidden, Heads * HeadDim);
        if (experts > 0)
            Plain("model.layers.0.block_sparse_moe.gate.weight", Normal(random, experts * Hidden, 1 / MathF.Sqrt(Hidden)), experts, Hidden);
        for (int expert = 0; expert < Math.Max(experts, 1); expert++)
        {
            string prefix = experts > 0 ? $"model.layers.0.block_sparse_moe.experts.{expert}." : "model.layers.0.mlp.";
            int inner = experts > 0 ? ExpertInner : Inner;
            Map(prefix + (experts > 0 ? "w1" : "gate_proj"), inner, Hidden);
            Map(prefix + (experts > 0 ? "w3" : "up_proj"), inner, Hidden);
            Map(prefix + (experts > 0 ? "w2" : "down_proj"), Hidden, inner);
        }
        if (!isTied && quantizesHead)
            Map("lm_head", Vocabulary, Hidden);
        else if (!isTied)
            Plain("lm_head.weight", Normal(random, Vocabulary * Hidden, 1 / MathF.Sqrt(Hidden)), Vocabulary, Hidden);
        folder.Write("model.safetensors", file.ToArray());
        plain.Write("model.safetensors", twin.ToArray());
    }

    private static float[] Normal(Random random, int count, float deviation)
    {
        float[] values = new float[count];
        foreach (ref float value in values.AsSpan())
            value = deviation * MathF.Sqrt(-2 * MathF.Log(1 - random.NextSingle())) * MathF.Cos(MathF.Tau * random.NextSingle());
        return values;
    }
}
