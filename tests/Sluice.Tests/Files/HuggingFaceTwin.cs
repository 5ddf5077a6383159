using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Tensors.Formats;

namespace Sluice.Files;

/// <summary>What a method's program writes for a linear map: adds its tensors to the file and gives the values that they stand for.</summary>
/// <param name="file">The file.</param>
/// <param name="module">The map's name.</param>
/// <param name="weights">[rows, columns].</param>
/// <param name="rows">Outputs.</param>
/// <param name="columns">Inputs.</param>
internal delegate float[] WriteMap(RawSafetensors file, string module, float[] weights, int rows, int columns);

/// <summary>Writes a GGUF model as a Hugging Face folder, so that both can be compared: tensor by tensor or by their logits.</summary>
internal static class HuggingFaceTwin
{
    /// <summary>Writes <c>config.json</c> and safetensors in as many shards as asked for.</summary>
    /// <param name="gguf">A model of an architecture that folders are read of.</param>
    /// <param name="folder">Where to.</param>
    /// <param name="shards">1 for model.safetensors, more for an index.</param>
    /// <param name="edit">Changes config.json before it is written.</param>
    /// <param name="maps">Writes some maps in other ways, by GGUF's names of them.</param>
    public static void Write(
        ModelFile gguf, TemporaryFolder folder, int shards = 1, Action<JsonObject>? edit = null, IReadOnlyDictionary<string, WriteMap>? maps = null)
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
        if (prefix == "deepseek2")
            AddLatent(config, metadata);
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
        if (prefix == "gpt-oss")
            FuseExperts(gguf, Add);
        foreach (TensorInfo tensor in gguf.Tensors.Values.Where(tensor => tensor.Name != "rope_freqs.weight" && !(prefix == "gpt-oss" && tensor.Name.Contains("_exps"))))
        {
            byte[] bytes = tensor.Data.Span().ToArray();
            if (prefix == "llama" && tensor.Name.EndsWith("attn_q.weight", StringComparison.Ordinal))
                bytes = Split(bytes, heads, (int)tensor.Shape[1]);
            if (prefix == "llama" && tensor.Name.EndsWith("attn_k.weight", StringComparison.Ordinal))
                bytes = Split(bytes, kvHeads, (int)tensor.Shape[1]);
            if (maps is not null && maps.TryGetValue(tensor.Name.Split('.')[^2], out WriteMap? write))
            {
                float[] values = new float[tensor.Count];
                tensor.Dequantize(0, values);
                write(files[0], Name(tensor.Name, prefix)[..^".weight".Length], values, (int)tensor.Shape[1], (int)tensor.Shape[0]);
                continue;
            }
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

    public delegate void AddTensor(string name, TensorType type, long[] shape, ReadOnlySpan<byte> bytes);

    /// <summary>The experts of GPT-oss, halves with the inputs first, or MXFP4, one number after the other.</summary>
    private static void FuseExperts(ModelFile gguf, AddTensor add)
    {
        for (int layer = 0; gguf.Tensors.ContainsKey($"blk.{layer}.ffn_gate_exps.weight"); layer++)
        {
            string prefix = $"model.layers.{layer}.mlp.experts.";
            TensorInfo Part(string name) => gguf.Tensors[$"blk.{layer}.ffn_{name}"];
            foreach ((string name, string[] parts) in ((string, string[])[])[("gate_up_proj", ["gate", "up"]), ("down_proj", ["down"])])
            {
                TensorInfo[] weights = [.. parts.Select(part => Part(part + "_exps.weight"))], biases = [.. parts.Select(part => Part(part + "_exps.bias"))];
                (int columns, int rows, int experts) = ((int)weights[0].Shape[0], (int)weights[0].Shape[1], (int)weights[0].Shape[2]);
                int outputs = rows * parts.Length;
                byte[][] bytes = [.. weights.Select(weight => weight.Data.Span().ToArray())];
                if (weights[0].Type == TensorType.MXFP4)
                {
                    List<byte> blocks = [], scales = [];
                    for (int block = 0; block < experts * outputs * columns / 32; block++)
                    {
                        (int row, int c) = Math.DivRem(block, columns / 32);
                        (int expert, int output) = Math.DivRem(row, outputs);
                        int at = ((expert * rows + output / parts.Length) * (columns / 32) + c) * 17;
                        ReadOnlySpan<byte> source = bytes[output % parts.Length].AsSpan(at, 17);
                        scales.Add(source[0]);
                        byte[] codes = new byte[32];
                        for (int i = 0; i < 16; i++)
                            (codes[i], codes[i + 16]) = ((byte)(source[1 + i] & 15), (byte)(source[1 + i] >> 4));
                        for (int i = 0; i < 32; i += 2)
                            blocks.Add((byte)(codes[i] | codes[i + 1] << 4));
                    }
                    add($"{prefix}{name}_blocks", TensorType.U8, [experts, outputs, columns / 32, 16], blocks.ToArray());
                    add($"{prefix}{name}_scales", TensorType.U8, [experts, outputs, columns / 32], scales.ToArray());
                }
                else
                {
                    byte[] fused = new byte[experts * columns * outputs * 2];
                    for (int i = 0; i < fused.Length / 2; i++)
                    {
                        int output = i % outputs, column = i / outputs % columns, expert = i / outputs / columns;
                        int from = (expert * rows + output / parts.Length) * columns + column;
                        bytes[output % parts.Length].AsSpan(from * 2, 2).CopyTo(fused.AsSpan(i * 2));
                    }
                    add(prefix + name, weights[0].Type, [experts, columns, outputs], fused);
                }
                float[][] values = [.. biases.Select(bias => MemoryMarshal.Cast<byte, float>(bias.Data.Span()).ToArray())];
                float[] together = [.. Enumerable.Range(0, experts * outputs).Select(i => values[i % parts.Length][i / parts.Length])];
                add($"{prefix}{name}_bias", TensorType.F32, [experts, outputs], MemoryMarshal.AsBytes<float>(together));
            }
        }
    }

    private static string ModelType(ModelFile gguf) => gguf.Architecture switch
    {
        "llama" => gguf.Metadata.Contains("llama.expert_count") ? "mixtral" : "llama",
        "qwen2moe" => "qwen2_moe",
        "qwen3moe" => "qwen3_moe",
        "deepseek2" => gguf.Metadata.GetInt32("deepseek2.expert_gating_func") == 1 ? "deepseek_v2" : "deepseek_v3",
        "gpt-oss" => "gpt_oss",
        string same => same,
    };

    private static void AddExperts(JsonObject config, Metadata metadata, string prefix)
    {
        string count = prefix switch { "llama" or "gpt-oss" => "num_local_experts", "deepseek2" => "n_routed_experts", _ => "num_experts" };
        config[count] = metadata.GetInt32($"{prefix}.expert_count");
        config["num_experts_per_tok"] = metadata.GetInt32($"{prefix}.expert_used_count");
        switch (prefix)
        {
            case "qwen2moe":
                config["shared_expert_intermediate_size"] = metadata.GetInt32($"{prefix}.expert_shared_feed_forward_length");
                goto case "qwen3moe";
            case "qwen3moe":
                config["norm_topk_prob"] = prefix == "qwen3moe";
                config["decoder_sparse_step"] = 1;
                config["mlp_only_layers"] = new JsonArray();
                break;
            case "deepseek2":
                config["norm_topk_prob"] = metadata.GetBool($"{prefix}.expert_weights_norm");
                config["routed_scaling_factor"] = metadata.GetFloat($"{prefix}.expert_weights_scale");
                config["n_shared_experts"] = metadata.GetInt32($"{prefix}.expert_shared_count");
                config["first_k_dense_replace"] = metadata.GetInt32($"{prefix}.leading_dense_block_count");
                (config["n_group"], config["topk_group"], config["moe_layer_freq"]) = (1, 1, 1);
                break;
            case "gpt-oss":
                config["intermediate_size"] = metadata.GetInt32($"{prefix}.expert_feed_forward_length");
                config["sliding_window"] = metadata.GetInt32($"{prefix}.attention.sliding_window");
                config["layer_types"] = new JsonArray(
                    [.. Enumerable.Range(0, metadata.GetInt32($"{prefix}.block_count")).Select(layer => (JsonNode)(layer % 2 == 0 ? "sliding_attention" : "full_attention"))]);
                (config["attention_bias"], config["swiglu_limit"]) = (true, 7.0);
                config["rope_scaling"] = new JsonObject
                {
                    ["rope_type"] = "yarn",
                    ["factor"] = 32.0,
                    ["beta_fast"] = 32.0,
                    ["beta_slow"] = 1.0,
                    ["truncate"] = false,
                    ["original_max_position_embeddings"] = 4096,
                };
                break;
        }
        if (prefix is not ("llama" or "gpt-oss"))
            config["moe_intermediate_size"] = metadata.GetInt32($"{prefix}.expert_feed_forward_length");
    }

    private static void AddLatent(JsonObject config, Metadata metadata)
    {
        config.Remove("head_dim");
        int rotated = metadata.GetInt32("deepseek2.rope.dimension_count");
        config["qk_rope_head_dim"] = rotated;
        config["qk_nope_head_dim"] = metadata.GetInt32("deepseek2.attention.key_length") - rotated;
        config["v_head_dim"] = metadata.GetInt32("deepseek2.attention.value_length");
        config["q_lora_rank"] = metadata.GetInt32("deepseek2.attention.q_lora_rank");
        config["kv_lora_rank"] = metadata.GetInt32("deepseek2.attention.kv_lora_rank");
        config["rope_scaling"] = new JsonObject
        {
            ["type"] = "yarn",
            ["factor"] = 40,
            ["mscale"] = 0.707,
            ["mscale_all_dim"] = 0.707,
            ["beta_fast"] = 32,
            ["beta_slow"] = 1,
            ["original_max_position_embeddings"] = 4096,
        };
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
        string shared = architecture == "deepseek2" ? "mlp.shared_experts" : "mlp.shared_expert";
        string module = parts[2] switch
        {
            "attn_norm" => "input_layernorm",
            "attn_q" => "self_attn.q_proj",
            "attn_k" => "self_attn.k_proj",
            "attn_v" => "self_attn.v_proj",
            "attn_output" => "self_attn.o_proj",
            "attn_q_a" => "self_attn.q_a_proj",
            "attn_q_a_norm" => "self_attn.q_a_layernorm",
            "attn_q_b" => "self_attn.q_b_proj",
            "attn_kv_a_mqa" => "self_attn.kv_a_proj_with_mqa",
            "attn_kv_a_norm" => "self_attn.kv_a_layernorm",
            "attn_kv_b" => "self_attn.kv_b_proj",
            "attn_sinks" => "self_attn.sinks",
            "post_attention_norm" => "post_attention_layernorm",
            "exp_probs_b" => "mlp.gate.e_score_correction",
            "attn_q_norm" => "self_attn.q_norm",
            "attn_k_norm" => "self_attn.k_norm",
            "ffn_norm" => "post_attention_layernorm",
            "ffn_gate" => "mlp.gate_proj",
            "ffn_up" => "mlp.up_proj",
            "ffn_down" => "mlp.down_proj",
            "ffn_gate_inp" => architecture switch { "llama" => "block_sparse_moe.gate", "gpt-oss" => "mlp.router", _ => "mlp.gate" },
            "ffn_gate_exps" => architecture == "llama" ? $"block_sparse_moe.experts.{expert}.w1" : $"mlp.experts.{expert}.gate_proj",
            "ffn_up_exps" => architecture == "llama" ? $"block_sparse_moe.experts.{expert}.w3" : $"mlp.experts.{expert}.up_proj",
            "ffn_down_exps" => architecture == "llama" ? $"block_sparse_moe.experts.{expert}.w2" : $"mlp.experts.{expert}.down_proj",
            "ffn_gate_shexp" => $"{shared}.gate_proj",
            "ffn_up_shexp" => $"{shared}.up_proj",
            "ffn_down_shexp" => $"{shared}.down_proj",
            "ffn_gate_inp_shexp" => "mlp.shared_expert_gate",
            _ => throw new NotSupportedException(gguf),
        };
        string name = $"model.layers.{parts[1]}.{module}.{parts[3]}";
        return name.Replace("sinks.weight", "sinks").Replace("correction.bias", "correction_bias");
    }

    /// <summary>A byte-level vocabulary in which a byte's token is its value; the rest are never made.</summary>
    public static string ByteTokenizer(int count)
    {
        Dictionary<string, int> vocabulary = [];
        int next = 256; // GPT-2 writes bytes that are no printable characters as characters from U+0100 on
        for (int b = 0; b < 256; b++)
            vocabulary[((char)(b is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE ? b : next++)).ToString()] = b;
        for (int i = 256; i < count; i++)
            vocabulary[$"unused{i}"] = i;
        return $$"""
            {"model": {"type": "BPE", "vocab": {{JsonSerializer.Serialize(vocabulary)}}, "merges": []},
             "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
             "decoder": {"type": "ByteLevel"}, "added_tokens": []}
            """;
    }
}
