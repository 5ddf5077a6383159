using System.Text.Json.Nodes;
using Sluice.Tensors.Formats;

namespace Sluice.Files;

/// <summary>Writes a GGUF model as a Hugging Face folder, so that both can be compared: tensor by tensor or by their logits.</summary>
internal static class HuggingFaceTwin
{
    /// <summary>Writes <c>config.json</c> and safetensors in as many shards as asked for.</summary>
    /// <param name="gguf">A model of an architecture that folders are read of.</param>
    /// <param name="folder">Where to.</param>
    /// <param name="shards">1 for model.safetensors, more for an index.</param>
    /// <param name="edit">Changes config.json before it is written.</param>
    public static void Write(ModelFile gguf, TemporaryFolder folder, int shards = 1, Action<JsonObject>? edit = null)
    {
        string prefix = gguf.Architecture;
        Metadata metadata = gguf.Metadata;
        int heads = metadata.GetInt32($"{prefix}.attention.head_count");
        int kvHeads = metadata.GetInt32($"{prefix}.attention.head_count_kv");
        JsonObject config = new()
        {
            ["architectures"] = new JsonArray("SomeForCausalLM"),
            ["model_type"] = ModelType(gguf),
            ["num_hidden_layers"] = metadata.GetInt32($"{prefix}.block_count"),
            ["max_position_embeddings"] = metadata.GetInt32($"{prefix}.context_length"),
            ["hidden_size"] = metadata.GetInt32($"{prefix}.embedding_length"),
            ["intermediate_size"] = metadata.GetInt32($"{prefix}.feed_forward_length"),
            ["vocab_size"] = metadata.GetInt32($"{prefix}.vocab_size"),
            ["num_attention_heads"] = heads,
            ["num_key_value_heads"] = kvHeads,
            ["head_dim"] = metadata.GetInt32($"{prefix}.rope.dimension_count"),
            ["rms_norm_eps"] = metadata.GetFloat($"{prefix}.attention.layer_norm_rms_epsilon"),
            ["rope_theta"] = metadata.GetFloat($"{prefix}.rope.freq_base"),
            ["hidden_act"] = "silu",
            ["tie_word_embeddings"] = !gguf.Tensors.ContainsKey("output.weight"),
            ["bos_token_id"] = 1,
            ["eos_token_id"] = 2,
            ["torch_dtype"] = "float16",
        };
        if (metadata.Contains($"{prefix}.expert_count"))
            AddExperts(config, metadata, prefix);
        edit?.Invoke(config);
        folder.Write("config.json", config.ToJsonString());

        RawSafetensors[] files = [.. Enumerable.Range(0, shards).Select(_ => new RawSafetensors())];
        JsonObject map = [];
        int next = 0;
        void Add(string name, TensorType type, long[] shape, ReadOnlySpan<byte> bytes)
        {
            files[next % shards].Add(name, type.ToString(), shape, bytes);
            map[name] = FileName(next++ % shards, shards);
        }
        foreach (TensorInfo tensor in gguf.Tensors.Values.Where(tensor => tensor.Name != "rope_freqs.weight"))
        {
            byte[] bytes = tensor.Data.Span().ToArray();
            if (prefix == "llama" && tensor.Name.EndsWith("attn_q.weight", StringComparison.Ordinal))
                bytes = Split(bytes, heads, (int)tensor.Shape[1]);
            if (prefix == "llama" && tensor.Name.EndsWith("attn_k.weight", StringComparison.Ordinal))
                bytes = Split(bytes, kvHeads, (int)tensor.Shape[1]);
            if (tensor.Shape.Length < 3)
            {
                long[] shape = tensor.Name.EndsWith("gate_inp_shexp.weight", StringComparison.Ordinal) ? [1, tensor.Shape[0]] : [.. tensor.Shape.Reverse()];
                Add(Name(tensor.Name, prefix), tensor.Type, shape, bytes);
                continue;
            }
            int experts = (int)tensor.Shape[2], size = bytes.Length / experts;
            for (int expert = 0; expert < experts; expert++)
                Add(Name(tensor.Name, prefix, expert), tensor.Type, [tensor.Shape[1], tensor.Shape[0]], bytes.AsSpan(expert * size, size));
        }
        for (int i = 0; i < shards; i++)
            folder.Write(FileName(i, shards), files[i].ToArray());
        if (shards > 1)
            folder.Write("model.safetensors.index.json", new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = map }.ToJsonString());
    }

    public static string FileName(int shard, int shards) =>
        shards == 1 ? "model.safetensors" : $"model-{shard + 1:D5}-of-{shards:D5}.safetensors";

    // Rows 2i and 2i + 1 of a head, which rotate together in GGUF's llama, are rows i and i + head_dim / 2 in Hugging Face's.
    public static byte[] Split(byte[] bytes, int heads, int rows)
    {
        int row = bytes.Length / rows, headDim = rows / heads;
        byte[] result = new byte[bytes.Length];
        for (int r = 0; r < rows; r++)
        {
            (int head, int i) = Math.DivRem(r, headDim);
            int target = head * headDim + i / 2 + i % 2 * (headDim / 2);
            bytes.AsSpan(r * row, row).CopyTo(result.AsSpan(target * row));
        }
        return result;
    }

    private static string ModelType(ModelFile gguf) => gguf.Architecture switch
    {
        "llama" => gguf.Metadata.Contains("llama.expert_count") ? "mixtral" : "llama",
        "qwen2moe" => "qwen2_moe",
        "qwen3moe" => "qwen3_moe",
        string same => same,
    };

    private static void AddExperts(JsonObject config, Metadata metadata, string prefix)
    {
        config[prefix == "llama" ? "num_local_experts" : "num_experts"] = metadata.GetInt32($"{prefix}.expert_count");
        config["num_experts_per_tok"] = metadata.GetInt32($"{prefix}.expert_used_count");
        if (prefix == "llama")
            return;
        config["moe_intermediate_size"] = metadata.GetInt32($"{prefix}.expert_feed_forward_length");
        config["norm_topk_prob"] = prefix == "qwen3moe";
        config["decoder_sparse_step"] = 1;
        config["mlp_only_layers"] = new JsonArray();
        if (prefix == "qwen2moe")
            config["shared_expert_intermediate_size"] = metadata.GetInt32($"{prefix}.expert_shared_feed_forward_length");
    }

    public static string Name(string gguf, string architecture = "llama", int expert = 0)
    {
        string[] parts = gguf.Split('.');
        if (parts[0] != "blk")
        {
            return gguf switch
            {
                "token_embd.weight" => "model.embed_tokens.weight",
                "output_norm.weight" => "model.norm.weight",
                "output.weight" => "lm_head.weight",
                _ => throw new NotSupportedException(gguf),
            };
        }
        string module = parts[2] switch
        {
            "attn_norm" => "input_layernorm",
            "attn_q" => "self_attn.q_proj",
            "attn_k" => "self_attn.k_proj",
            "attn_v" => "self_attn.v_proj",
            "attn_output" => "self_attn.o_proj",
            "attn_q_norm" => "self_attn.q_norm",
            "attn_k_norm" => "self_attn.k_norm",
            "ffn_norm" => "post_attention_layernorm",
            "ffn_gate" => "mlp.gate_proj",
            "ffn_up" => "mlp.up_proj",
            "ffn_down" => "mlp.down_proj",
            "ffn_gate_inp" => architecture == "llama" ? "block_sparse_moe.gate" : "mlp.gate",
            "ffn_gate_exps" => architecture == "llama" ? $"block_sparse_moe.experts.{expert}.w1" : $"mlp.experts.{expert}.gate_proj",
            "ffn_up_exps" => architecture == "llama" ? $"block_sparse_moe.experts.{expert}.w3" : $"mlp.experts.{expert}.up_proj",
            "ffn_down_exps" => architecture == "llama" ? $"block_sparse_moe.experts.{expert}.w2" : $"mlp.experts.{expert}.down_proj",
            "ffn_gate_shexp" => "mlp.shared_expert.gate_proj",
            "ffn_up_shexp" => "mlp.shared_expert.up_proj",
            "ffn_down_shexp" => "mlp.shared_expert.down_proj",
            "ffn_gate_inp_shexp" => "mlp.shared_expert_gate",
            _ => throw new NotSupportedException(gguf),
        };
        return $"model.layers.{parts[1]}.{module}.{parts[3]}";
    }
}
