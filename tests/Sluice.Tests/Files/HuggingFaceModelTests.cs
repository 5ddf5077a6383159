using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Tensors.Formats;
using Sluice.TestData;

namespace Sluice.Files;

public class HuggingFaceModelTests
{
    [Theory]
    [InlineData("llama-gqa", 1)]
    [InlineData("llama-mha-256", 3)]
    [InlineData("llama-tied-ropefreqs", 1)]
    [InlineData("qwen2", 2)]
    [InlineData("qwen2-tied", 1)]
    [InlineData("qwen3", 1)]
    [InlineData("llama-moe", 1)]
    [InlineData("qwen3moe", 5)]
    public void A_folder_reads_like_its_gguf_twin(string name, int shards)
    {
        using ModelFile gguf = ModelFile.Open(SharedFiles.Shared("golden", "models", name + ".gguf"));
        using TemporaryFolder folder = new();
        HuggingFaceTwin.Write(gguf, folder, shards, config =>
        {
            // This golden model divides all but the first four frequencies by 8: Llama 3's scaling with hardly a blend.
            if (name == "llama-tied-ropefreqs")
            {
                config["rope_scaling"] = Json("""
                    {"rope_type": "llama3", "factor": 8, "low_freq_factor": 8, "high_freq_factor": 8.1,
                     "original_max_position_embeddings": 1000}
                    """);
            }
        });
        foreach (string path in (string[])[folder.Path, folder[HuggingFaceTwin.FileName(0, shards)]])
        {
            using ModelFile twin = ModelFile.Open(path);
            Assert.Equal(folder.Path, twin.Folder);
            Assert.Equal(Architecture(gguf), Architecture(twin));
            Assert.Equal(gguf.Tensors.Keys.Order(), twin.Tensors.Keys.Order());
            foreach (TensorInfo expected in gguf.Tensors.Values)
            {
                TensorInfo actual = twin.Tensor(expected.Name);
                Assert.Equal(expected.ToString(), actual.ToString());
                Assert.True(expected.Data.Span().SequenceEqual(actual.Data.Span()), expected.Name);
                actual.Release();
                Assert.True(expected.Data.Span().SequenceEqual(actual.Data.Span()), expected.Name);
            }
        }

        static IEnumerable<(string, string)> Architecture(ModelFile model) => model.Metadata
            .Where(pair => pair.Key.StartsWith(model.Architecture + ".", StringComparison.Ordinal))
            .Select(pair => (pair.Key, pair.Value.ToString())).Order();
    }

    [Fact]
    public void A_model_is_called_as_its_file_or_its_folder()
    {
        using TemporaryFolder folder = new();
        string model = Directory.CreateDirectory(folder["Llama-3.2-1B"]).FullName;
        WriteTiny(folder);
        foreach (string file in Directory.GetFiles(folder.Path))
            File.Move(file, Path.Combine(model, Path.GetFileName(file)));
        foreach (string path in (string[])[model, model + "/", Path.Combine(model, "model.safetensors")])
        {
            using ModelFile opened = ModelFile.Open(path);
            Assert.Equal("Llama-3.2-1B", opened.Name); // .2-1B is no extension
        }
        using ModelFile gguf = ModelFile.Open(Path.Combine(SharedFiles.Root, "models", "sluice-starter.gguf"));
        Assert.Equal("sluice-starter", gguf.Name);
    }

    [Theory]
    [InlineData(1, """{"word_embedding_dimension":4,"pooling_mode_cls_token":false,"pooling_mode_mean_tokens":true,"include_prompt":true}""")]
    [InlineData(2, """{"pooling_mode_cls_token":true}""")]
    [InlineData(3, """{"pooling_mode_mean_tokens":false,"pooling_mode_lasttoken":true}""")]
    [InlineData(1, """{"pooling_mode":"mean"}""")]
    public void Sentence_transformers_say_how_to_pool(int type, string pooling)
    {
        using TemporaryFolder folder = new();
        WritePooling(folder, pooling);
        using ModelFile model = ModelFile.Open(folder.Path);
        Assert.Equal(type, model.Metadata.GetInt32("llama.pooling_type"));
    }

    [Theory]
    [InlineData("pooling_mode_max_tokens", """{"pooling_mode_max_tokens":true}""")]
    [InlineData("pooling_mode_mean_tokens", """{"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":true}""")]
    [InlineData("pooling_mode", """{"pooling_mode":"weightedmean"}""")]
    [InlineData("pooling_mode", "{}")]
    [InlineData("pooling_mode_cls_token", """{"pooling_mode_cls_token":1}""")]
    [InlineData("2_Dense", """{"pooling_mode":"mean"}""", true)]
    public void Pooling_that_is_not_implemented_is_refused(string said, string pooling, bool isDense = false)
    {
        using TemporaryFolder folder = new();
        WritePooling(folder, pooling);
        if (isDense)
            Directory.CreateDirectory(folder["2_Dense"]);
        Exception error = Assert.ThrowsAny<Exception>(() => ModelFile.Open(folder.Path));
        Assert.True(error is NotSupportedException or InvalidDataException);
        Assert.Contains(said, error.Message);
    }

    private static void WritePooling(TemporaryFolder folder, string pooling)
    {
        WriteTiny(folder);
        Directory.CreateDirectory(folder["1_Pooling"]);
        folder.Write("1_Pooling/config.json", pooling);
    }

    [Fact]
    public void Norms_become_F32()
    {
        using TemporaryFolder folder = new();
        WriteTiny(folder, norm: "BF16");
        using ModelFile model = ModelFile.Open(folder.Path);
        TensorInfo norm = model.Tensor("output_norm.weight");
        Assert.Equal("output_norm.weight F32 [4]", norm.ToString());
        Assert.Equal(16, norm.Bytes);
        Assert.Equal([1f, 1f, 1f, 1f], MemoryMarshal.Cast<byte, float>(norm.Data.Span()).ToArray());
        Assert.Equal(TensorType.BF16, model.Tensor("token_embd.weight").Type);
    }

    [Theory]
    [InlineData("""{"rope_theta": 5000}""", 5000, null)]
    [InlineData("""{"rope_parameters": {"rope_type": "default", "rope_theta": 7000}}""", 7000, null)]
    [InlineData("""{"rope_scaling": {"type": "linear", "factor": 4}}""", 10000, "linear factor 4")]
    [InlineData("""{"rope_parameters": {"rope_type": "linear", "factor": 2.5, "rope_theta": 1e6}}""", 1000000, "linear factor 2.5")]
    [InlineData("""{"rope_scaling": {"type": "yarn", "factor": 4, "original_max_position_embeddings": 32768}}""", 10000,
        "yarn factor 4 original_context_length 32768")]
    [InlineData("""{"rope_scaling": {"rope_type": "yarn", "factor": 4, "beta_fast": 16, "beta_slow": 2, "attention_factor": 2.2772589}}""",
        10000, "yarn factor 4 original_context_length 64 yarn_beta_fast 16 yarn_beta_slow 2 attn_factor 2")]
    public void Rotation_is_mapped(string edits, float theta, string? scaling)
    {
        using TemporaryFolder folder = new();
        WriteTiny(folder, edits);
        using ModelFile model = ModelFile.Open(folder.Path);
        Assert.Equal(theta, model.Metadata.GetFloat("llama.rope.freq_base"));
        string actual = string.Join(' ', model.Metadata.Where(pair => pair.Key.StartsWith("llama.rope.scaling.", StringComparison.Ordinal))
            .Select(pair => $"{pair.Key["llama.rope.scaling.".Length..]} {pair.Value}".Replace("type \"", "").Replace("\"", "")));
        Assert.Equal(scaling ?? "", actual);
        Assert.False(model.Tensors.ContainsKey("rope_freqs.weight"));
    }

    [Fact]
    public void Llama_3_scaling_blends_between_its_two_wavelengths()
    {
        using TemporaryFolder folder = new();
        WriteTiny(folder, """
            {"head_dim": 128, "rope_theta": 500000, "rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
             "high_freq_factor": 4, "original_max_position_embeddings": 8192}}
            """);
        using ModelFile model = ModelFile.Open(folder.Path);
        float[] factors = MemoryMarshal.Cast<byte, float>(model.Tensor("rope_freqs.weight").Data.Span()).ToArray();
        Assert.Equal(64, factors.Length);
        // Llama 3.1 8B. Wavelengths are 2 pi 500000^(i/64): below 8192/4 up to i = 28, above 8192/1 from i = 35.
        Assert.All(factors[..29], factor => Assert.Equal(1f, factor));
        Assert.All(factors[35..], factor => Assert.Equal(8f, factor));
        for (int i = 29; i < 36; i++)
            Assert.InRange(factors[i], factors[i - 1], 8f);
        Assert.True(factors[29] > 1 && factors[34] < 8);
    }

    [Theory]
    [InlineData("""{"model_type": "falcon"}""", "'model_type' is \"falcon\"")]
    [InlineData("""{"attention_bias": true}""", "'attention_bias' is true")]
    [InlineData("""{"mlp_bias": true}""", "'mlp_bias' is true")]
    [InlineData("""{"use_sliding_window": true}""", "'use_sliding_window' is true")]
    [InlineData("""{"layer_types": ["full_attention", "sliding_attention"]}""", "'layer_types' is")]
    [InlineData("""{"hidden_act": "gelu"}""", "'hidden_act' is \"gelu\"")]
    [InlineData("""{"partial_rotary_factor": 0.5}""", "'partial_rotary_factor' is 0.5")]
    [InlineData("""{"rope_scaling": {"type": "dynamic", "factor": 2}}""", "'rope_scaling.type' is \"dynamic\"")]
    [InlineData("""{"rope_scaling": {"rope_type": "longrope", "factor": 2}}""", "'rope_scaling.rope_type' is \"longrope\"")]
    [InlineData("""{"rope_scaling": {"type": "linear", "factor": 2, "new": 1}}""", "'rope_scaling.new' is 1")]
    [InlineData("""{"rope_scaling": {"type": "linear", "factor": 2}, "rope_parameters": {}}""", "'rope_scaling' is")]
    [InlineData("""{"rope_scaling": {"type": "yarn", "factor": 2, "truncate": false}}""", "'rope_scaling.truncate' is false")]
    [InlineData("""{"rope_parameters": {"full_attention": {"rope_theta": 1}}}""", "'rope_parameters.full_attention' is")]
    [InlineData("""{"num_local_experts": 8}""", "'num_local_experts' is 8")]
    [InlineData($$"""{{{DeepSeek}}, "topk_method": "noaux_tc"}""", "'topk_method' is \"noaux_tc\"")]
    [InlineData($$"""{{{DeepSeek}}, "norm_topk_prob": true}""", "'norm_topk_prob' is true")]
    [InlineData($$"""{{{DeepSeek}}, "moe_layer_freq": 2}""", "'moe_layer_freq' is 2")]
    [InlineData($$"""{{{DeepSeek}}, "rope_interleave": false}""", "'rope_interleave' is false")]
    [InlineData($$"""{{{DeepSeek}}, "rope_scaling": {"type": "yarn", "factor": 40, "mscale": 1, "mscale_all_dim": 0.5} }""", "'rope_scaling.mscale' is 1")]
    [InlineData($$"""{{{GptOss}}, "swiglu_limit": 5}""", "'swiglu_limit' is 5")]
    [InlineData($$"""{{{GptOss}}, "layer_types": ["full_attention"]}""", "'layer_types' is [\"full_attention\"]")]
    [InlineData($$"""{{{GptOss}}, "rope_scaling": {"rope_type": "yarn", "factor": 32} }""", "'rope_scaling.truncate' is null")]
    public void What_is_not_implemented_is_refused(string edits, string message)
    {
        using TemporaryFolder folder = new();
        WriteTiny(folder, edits);
        NotSupportedException error = Assert.Throws<NotSupportedException>(() => ModelFile.Open(folder.Path));
        Assert.StartsWith(folder["config.json"], error.Message);
        Assert.Contains(message, error.Message);
    }

    [Theory]
    [InlineData("""{"model_type": null}""", "'model_type' is missing")]
    [InlineData("""{"hidden_size": null}""", "'hidden_size' is missing")]
    [InlineData("""{"hidden_size": "4"}""", "'hidden_size' must be a whole number of at least 1, not \"4\"")]
    [InlineData("""{"num_hidden_layers": 0}""", "'num_hidden_layers' must be a whole number")]
    [InlineData("""{"num_hidden_layers": 1e99}""", "'num_hidden_layers' must be a whole number")]
    [InlineData("""{"num_attention_heads": 3, "num_key_value_heads": 2}""", "'num_attention_heads' is 3, no multiple")]
    [InlineData("""{"head_dim": 3}""", "'head_dim' is 3")]
    [InlineData("""{"head_dim": 2147483646}""", "'head_dim' is 2147483646")]
    [InlineData("""{"rms_norm_eps": -1}""", "'rms_norm_eps' must be a number above 0")]
    [InlineData("""{"rope_theta": 1e300}""", "'rope_theta' must be a number above 0")]
    [InlineData("""{"tie_word_embeddings": 1}""", "'tie_word_embeddings' must be true or false")]
    [InlineData("""{"rope_scaling": []}""", "'rope_scaling' must be an object")]
    [InlineData("""{"rope_scaling": {"type": "linear"}}""", "'rope_scaling.factor' is missing")]
    [InlineData("""{"rope_scaling": {"type": "llama3", "factor": 8}}""", "'rope_scaling.low_freq_factor' is missing")]
    [InlineData("""{"eos_token_id": [1, -1]}""", "'eos_token_id' must be a token id")]
    [InlineData("""{"model_type": "mixtral"}""", "'num_local_experts' is missing")]
    [InlineData($$"""{{{Qwen2Moe}}, "shared_expert_intermediate_size": 0}""", "'shared_expert_intermediate_size' must be a whole number")]
    [InlineData($$"""{{{DeepSeek}}, "first_k_dense_replace": -1}""", "'first_k_dense_replace' must be a whole number of at least 0")]
    [InlineData($$"""{{{DeepSeek}}, "qk_rope_head_dim": null}""", "'qk_rope_head_dim' is missing")]
    [InlineData($$"""{{{GptOss}}, "sliding_window": null}""", "'sliding_window' is missing")]
    public void Damaged_configurations_are_refused(string edits, string message)
    {
        using TemporaryFolder folder = new();
        WriteTiny(folder, edits);
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => ModelFile.Open(folder.Path));
        Assert.StartsWith(folder["config.json"], error.Message);
        Assert.Contains(message, error.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{")]
    [InlineData("{} {}")]
    [InlineData("{\"a\": 1, \"a\": 2}")]
    [InlineData("{\"rope_scaling\": {\"\\ud800\": 1}}")]
    [InlineData("{\"model_type\": \"\\ud800\"}")]
    [InlineData("{\"model_type\": \"\u00ff\"}", true)]
    public void Files_that_are_no_json_are_refused(string text, bool latin1 = false)
    {
        using TemporaryFolder folder = new();
        WriteTiny(folder);
        folder.Write("config.json", (latin1 ? Encoding.Latin1 : Encoding.UTF8).GetBytes(text));
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => ModelFile.Open(folder.Path));
        Assert.StartsWith(folder["config.json"], error.Message);
    }

    [Fact]
    public void Tensors_that_do_not_belong_are_refused()
    {
        Expect<NotSupportedException>("'model.layers.0.self_attn.q_proj.bias' is none that", tensors =>
            tensors.Add("model.layers.0.self_attn.q_proj.bias", "F32", [4], new byte[16]));
        Expect<NotSupportedException>("'model.layers.9.mlp.up_proj.weight' is none that", tensors =>
            tensors.Add("model.layers.9.mlp.up_proj.weight", "F32", [1, 1], new byte[4]));
        Expect<NotSupportedException>("'model.layers.0.mlp.up_proj.weight' is of I32", tensors =>
            tensors.Add("model.layers.0.mlp.up_proj.weight", "I32", [1, 1], new byte[4]));
        Expect<InvalidDataException>("'model.layers.0.self_attn.q_proj.weight' has shape [1, 3] where 2 heads of 2 rows", tensors =>
            tensors.Add("model.layers.0.self_attn.q_proj.weight", "F32", [3, 1], new byte[12]));
        Expect<InvalidDataException>("'embed_tokens.weight' occurs twice", tensors =>
            tensors.Add("embed_tokens.weight", "F32", [1, 1], new byte[4]));
        Expect<InvalidDataException>("'lm_head.weight' is missing", _ => { }, """{"tie_word_embeddings": false}""");

        static void Expect<T>(string message, Action<RawSafetensors> add, string edits = "{}") where T : Exception
        {
            using TemporaryFolder folder = new();
            WriteTiny(folder, edits, add: add);
            T error = Assert.Throws<T>(() => ModelFile.Open(folder.Path));
            Assert.StartsWith(folder["model.safetensors"], error.Message);
            Assert.Contains(message, error.Message);
        }
    }

    [Fact]
    public void Derived_and_tied_tensors_are_left_out()
    {
        using TemporaryFolder folder = new();
        WriteTiny(folder, add: tensors => tensors
            .Add("model.layers.0.self_attn.rotary_emb.inv_freq", "F32", [1], new byte[4])
            .Add("lm_head.weight", "F32", [8, 4], new byte[128]));
        using ModelFile model = ModelFile.Open(folder.Path);
        Assert.Equal(["token_embd.weight", "output_norm.weight"], model.Tensors.Keys);
    }

    [Fact]
    public void Shards_and_their_index_agree()
    {
        Expect("'model.norm.weight' is missing", folder =>
            Edit(folder, map => map["model.norm.weight"] = "model-00001-of-00002.safetensors"), alsoOther: "is not in this file");
        Expect("'extra' is missing", folder => Edit(folder, map => map["extra"] = "model-00001-of-00002.safetensors"));
        Expect("is not in this file", folder => Edit(folder, map => map.Remove("model.norm.weight")));
        Expect("no safetensors file of this folder", folder => Edit(folder, map => map["model.norm.weight"] = "../x.safetensors"));
        Expect("model-00002-of-00002.safetensors is missing", folder => File.Delete(folder["model-00002-of-00002.safetensors"]));

        static void Expect(string message, Action<TemporaryFolder> damage, string? alsoOther = null)
        {
            using ModelFile gguf = ModelFile.Open(SharedFiles.Shared("golden", "models", "qwen2.gguf"));
            using TemporaryFolder folder = new();
            HuggingFaceTwin.Write(gguf, folder, 2);
            damage(folder);
            Exception error = Assert.ThrowsAny<Exception>(() => ModelFile.Open(folder.Path));
            Assert.True(error is InvalidDataException or FileNotFoundException, error.ToString());
            Assert.True(error.Message.Contains(message) || (alsoOther is not null && error.Message.Contains(alsoOther)), error.Message);
        }

        static void Edit(TemporaryFolder folder, Action<JsonObject> edit)
        {
            JsonNode index = JsonNode.Parse(File.ReadAllText(folder["model.safetensors.index.json"]))!;
            edit(index["weight_map"]!.AsObject());
            folder.Write("model.safetensors.index.json", index.ToJsonString());
        }
    }

    [Fact]
    public void Special_tokens_and_templates_become_metadata()
    {
        using TemporaryFolder folder = new();
        WriteTiny(folder, """{"bos_token_id": 5, "eos_token_id": 6, "pad_token_id": 7}""");
        folder.Write("generation_config.json", """{"eos_token_id": [9, 8]}""");
        folder.Write("tokenizer_config.json", """
            {"add_bos_token": true, "add_eos_token": null,
             "chat_template": [{"name": "default", "template": "{{ a }}"}, {"name": "tool_use", "template": "{{ b }}"}]}
            """);
        using (ModelFile model = ModelFile.Open(folder.Path))
        {
            Assert.Equal(5, model.Metadata.GetInt32("tokenizer.ggml.bos_token_id"));
            Assert.Equal(9, model.Metadata.GetInt32("tokenizer.ggml.eos_token_id"));
            Assert.Equal(7, model.Metadata.GetInt32("tokenizer.ggml.padding_token_id"));
            Assert.Equal([9, 8], model.Metadata.GetInt32Array("tokenizer.ggml.eos_token_ids"));
            Assert.True(model.Metadata.GetBool("tokenizer.ggml.add_bos_token"));
            Assert.False(model.Metadata.Contains("tokenizer.ggml.add_eos_token"));
            Assert.Equal("{{ a }}", model.Metadata.GetString("tokenizer.chat_template"));
            Assert.Equal("{{ b }}", model.Metadata.GetString("tokenizer.chat_template.tool_use"));
        }
        folder.Write("chat_template.jinja", "{{ c }}");
        using (ModelFile model = ModelFile.Open(folder.Path))
            Assert.Equal("{{ c }}", model.Metadata.GetString("tokenizer.chat_template"));
    }

    [Fact]
    public void Folders_without_weights_say_what_is_missing()
    {
        using TemporaryFolder folder = new();
        WriteTiny(folder);
        File.Move(folder["model.safetensors"], folder["other.safetensors"]);
        ModelFile.Open(folder.Path).Dispose();
        File.Copy(folder["other.safetensors"], folder["another.safetensors"]);
        Assert.Contains("2 safetensors files", Assert.Throws<InvalidDataException>(() => ModelFile.Open(folder.Path)).Message);
        ModelFile.Open(folder["another.safetensors"]).Dispose();
        File.Delete(folder["other.safetensors"]);
        File.Delete(folder["another.safetensors"]);
        Assert.Contains("no safetensors file", Assert.Throws<InvalidDataException>(() => ModelFile.Open(folder.Path)).Message);
        folder.Write("pytorch_model.bin", "x");
        Assert.Contains("PyTorch", Assert.Throws<NotSupportedException>(() => ModelFile.Open(folder.Path)).Message);
        File.Delete(folder["config.json"]);
        folder.Write("model.safetensors", "x");
        Assert.Contains("needs the config.json",
            Assert.Throws<InvalidDataException>(() => ModelFile.Open(folder["model.safetensors"])).Message);
    }

    private const string Qwen2Moe = """
        "model_type": "qwen2_moe", "num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 4, "shared_expert_intermediate_size": 4
        """;

    private const string DeepSeek = """
        "model_type": "deepseek_v2", "n_routed_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 4, "kv_lora_rank": 2,
        "qk_rope_head_dim": 2, "qk_nope_head_dim": 2, "v_head_dim": 2
        """;

    private const string GptOss = """
        "model_type": "gpt_oss", "num_local_experts": 2, "num_experts_per_tok": 1, "sliding_window": 8
        """;

    [Fact]
    public void Experts_are_all_there_and_alike()
    {
        const string Mixtral = """{"model_type": "mixtral", "num_local_experts": 2, "num_experts_per_tok": 1}""";
        Expect<InvalidDataException>("expert 1 of 2 has no tensor such as 'model.layers.0.block_sparse_moe.experts.0.w1.weight'", (0, 8));
        Expect<InvalidDataException>("'model.layers.0.block_sparse_moe.experts.1.w1.weight' is [4, 6], and 'model.layers.0.block_sparse_moe.experts.0.w1.weight' [4, 8]", (0, 8), (1, 6));
        Expect<NotSupportedException>("'model.layers.0.block_sparse_moe.experts.2.w1.weight' is none that", (0, 8), (1, 8), (2, 8));
        Expect<NotSupportedException>("'model.layers.0.block_sparse_moe.experts.1.w1.weight' is stored as F16", (0, 8), (1, -8));

        using TemporaryFolder good = new();
        WriteTiny(good, Mixtral, add: tensors => Add(tensors, [(1, 8), (0, 8)]));
        using ModelFile model = ModelFile.Open(good.Path);
        TensorInfo experts = model.Tensor("blk.0.ffn_gate_exps.weight");
        Assert.Equal("blk.0.ffn_gate_exps.weight F32 [4, 8, 2]", experts.ToString());
        // In the order of their numbers, whole or in pieces over the border.
        Assert.Equal([.. Enumerable.Repeat((byte)0, 128), .. Enumerable.Repeat((byte)1, 128)], experts.Data.Span().ToArray());
        Assert.Equal([0, 0, 0, 0, 1, 1, 1, 1], experts.Data.Span(124, 8).ToArray());
        Assert.Equal([1, 1], experts.Data.Slice(120, 16).Span(14, 2).ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => experts.Data.Span(250, 8).Length);

        static void Add(RawSafetensors tensors, (int Number, int Rows)[] experts)
        {
            foreach ((int number, int rows) in experts)
            {
                string name = $"model.layers.0.block_sparse_moe.experts.{number}.w1.weight";
                tensors.Add(name, rows > 0 ? "F32" : "F16", [Math.Abs(rows), 4], Enumerable.Repeat((byte)number, Math.Abs(rows) * (rows > 0 ? 16 : 8)).ToArray());
            }
        }

        static void Expect<T>(string message, params (int, int)[] experts) where T : Exception
        {
            using TemporaryFolder folder = new();
            WriteTiny(folder, Mixtral, add: tensors => Add(tensors, experts));
            T error = Assert.Throws<T>(() => ModelFile.Open(folder.Path));
            Assert.StartsWith(folder["model.safetensors"], error.Message);
            Assert.Contains(message, error.Message);
        }
    }

    [Fact]
    public void Layers_that_predict_further_tokens_are_left_out()
    {
        using TemporaryFolder folder = new();
        WriteTiny(folder, $$"""{{{DeepSeek}}, "num_nextn_predict_layers": 1}""", add: tensors => tensors
            .Add("model.layers.1.eh_proj.weight", "F32", [4, 8], new byte[128])
            .Add("model.layers.1.mlp.experts.0.up_proj.weight", "F32", [4, 4], new byte[64]));
        using ModelFile model = ModelFile.Open(folder.Path);
        Assert.Equal(["token_embd.weight", "output_norm.weight"], model.Tensors.Keys);
    }

    private static JsonNode Json(string text) => JsonNode.Parse(text)!;

    /// <summary>A llama of one layer with next to no tensors, its config.json changed by another JSON object.</summary>
    private static void WriteTiny(
        TemporaryFolder folder, string edits = "{}", string norm = "F32", Action<RawSafetensors>? add = null)
    {
        JsonObject config = Json("""
            {"model_type": "llama", "num_hidden_layers": 1, "hidden_size": 4, "num_attention_heads": 2, "num_key_value_heads": 1,
             "intermediate_size": 8, "vocab_size": 8, "max_position_embeddings": 64, "tie_word_embeddings": true}
            """).AsObject();
        using JsonDocument changes = JsonDocument.Parse(edits);
        foreach (JsonProperty change in changes.RootElement.EnumerateObject()) // the last of a name counts
            config[change.Name] = JsonNode.Parse(change.Value.GetRawText());
        folder.Write("config.json", config.ToJsonString());
        byte[] ones = norm == "BF16" ? [0x80, 0x3F, 0x80, 0x3F, 0x80, 0x3F, 0x80, 0x3F] : MemoryMarshal.AsBytes<float>([1, 1, 1, 1]).ToArray();
        RawSafetensors tensors = new();
        tensors.Add("model.embed_tokens.weight", "BF16", [8, 4], new byte[64]).Add("model.norm.weight", norm, [4], ones);
        add?.Invoke(tensors);
        folder.Write("model.safetensors", tensors.ToArray());
    }
}
