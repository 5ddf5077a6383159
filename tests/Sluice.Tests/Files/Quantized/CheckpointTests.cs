using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Sluice.Cache;
using Sluice.Models;
using Sluice.Tensors;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.KvFormats;
using static Sluice.Files.CheckpointWriters;

namespace Sluice.Files;

/// <summary>Checkpoints of GPTQ, AWQ, compressed-tensors, FP8 and bitsandbytes against what their numbers stand for.</summary>
public class CheckpointTests
{
    internal static readonly Dictionary<string, (string Config, WriteMap Write)> Cases = new()
    {
        ["gptq 4 bits 128"] = (GptqConfig(4, 128), Gptq(4, 128, isSymmetric: true)),
        ["gptq 4 bits 32 asymmetric"] = (GptqConfig(4, 32), Gptq(4, 32, isSymmetric: false)),
        ["gptq 4 bits 128 asymmetric act-order"] = (GptqConfig(4, 128, "\"desc_act\": true"), Gptq(4, 128, isSymmetric: false, actOrder: true)),
        ["gptq_v2 4 bits 64 asymmetric"] = (GptqConfig(4, 64, "\"checkpoint_format\": \"gptq_v2\""), Gptq(4, 64, isSymmetric: false, isV2: true)),
        ["gptq_v2 4 bits 64 act-order"] = (GptqConfig(4, 64, "\"checkpoint_format\": \"gptq_v2\", \"desc_act\": true"), Gptq(4, 64, isSymmetric: true, isV2: true, actOrder: true)),
        ["gptq 4 bits per channel"] = (GptqConfig(4, -1), Gptq(4, -1, isSymmetric: true)),
        ["gptq 4 bits BF16 scales"] = (GptqConfig(4, 128), Gptq(4, 128, isSymmetric: true, scaleType: "BF16")),
        ["gptq 2 bits 64 asymmetric"] = (GptqConfig(2, 64), Gptq(2, 64, isSymmetric: false)),
        ["gptq 3 bits 128"] = (GptqConfig(3, 128), Gptq(3, 128, isSymmetric: true)),
        ["gptq 3 bits 64 asymmetric act-order"] = (GptqConfig(3, 64, "\"desc_act\": true"), Gptq(3, 64, isSymmetric: false, actOrder: true)),
        ["gptq 8 bits 128"] = (GptqConfig(8, 128), Gptq(8, 128, isSymmetric: true)),
        ["gptq 8 bits 32 asymmetric"] = (GptqConfig(8, 32), Gptq(8, 32, isSymmetric: false)),
        ["gptq dynamic"] = (GptqConfig(4, 128, """ "dynamic": {"+:.*down.*": {"bits": 8}} """), Mixed(Gptq(4, 128, true), Gptq(8, 128, true))),
        ["awq 128"] = (AwqConfig(128), Awq(128)),
        ["awq 32"] = (AwqConfig(32), Awq(32)),
        ["awq per channel"] = (AwqConfig(-1), Awq(-1)),
        ["awq gemv 128"] = (AwqConfig(128, "gemv"), AwqGemv(128)),
        ["awq gemv 64"] = (AwqConfig(64, "GEMV"), AwqGemv(64)),
        ["awq gemv 32"] = (AwqConfig(32, "gemv"), AwqGemv(32)),
        ["awq gemv per channel"] = (AwqConfig(-1, "gemv"), AwqGemv(-1)),
        ["compressed W4A16"] = (Compressed("pack-quantized", 4, "group"), Packed(4, 128, isSymmetric: true)),
        ["compressed W4A16 asymmetric"] = (Compressed("pack-quantized", 4, "group"), Packed(4, 64, isSymmetric: false)),
        ["compressed W4A16 act-order"] = (Compressed("pack-quantized", 4, "group"), Packed(4, 128, isSymmetric: true, actOrder: true)),
        ["compressed W8A16"] = (Compressed("pack-quantized", 8, "channel"), Packed(8, -1, isSymmetric: true)),
        ["compressed W8A8"] = (Compressed("int-quantized", 8, "channel"), Bytes()),
        ["compressed W8A8 asymmetric"] = (Compressed("int-quantized", 8, "channel"), Bytes(isSymmetric: false)),
        ["compressed FP8 channel"] = (Compressed("float-quantized", 8, "channel", "float"), Float8("F8_E4M3", "weight_scale", 1, 0)),
        ["compressed FP8 tensor"] = (Compressed("float-quantized", 8, "tensor", "float"), Float8("F8_E4M3", "weight_scale", 0, 0, dimensions: 1)),
        ["compressed FP8 block"] = (Compressed("float-quantized", 8, "block", "float", ", \"block_structure\": [128, 128]"), Float8("F8_E4M3", "weight_scale", 128, 128)),
        ["compressed NVFP4"] = (Compressed("nvfp4-pack-quantized", 4, "tensor_group", "float", ", \"group_size\": 16, \"scale_dtype\": \"torch.float8_e4m3fn\""), Nvfp4),
        ["compressed MXFP4"] = (Compressed("mxfp4-pack-quantized", 4, "group", "float", ", \"group_size\": 32, \"scale_dtype\": \"torch.uint8\""), Mxfp4),
        ["fp8 squares"] = ("""{"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}""", Float8("F8_E4M3", "weight_scale_inv", 128, 128)),
        ["fp8 tensor"] = ("""{"quant_method": "fp8", "activation_scheme": "static"}""", Float8("F8_E4M3", "weight_scale", 0, 0, dimensions: 0)),
        ["fp8 E5M2 channel"] = ("""{"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0}""", Float8("F8_E5M2", "weight_scale", 1, 0)),
        ["nf4 double"] = (Bnb("nf4"), BitsAndBytes("nf4", isNested: true)),
        ["nf4"] = (Bnb("nf4"), BitsAndBytes("nf4", isNested: false)),
        ["nf4 blocks of two rows"] = (Bnb("nf4"), BitsAndBytes("nf4", isNested: true, block: 512)),
        ["fp4 double"] = (Bnb("fp4"), BitsAndBytes("fp4", isNested: true)),
        ["bitsandbytes 8 bits"] = ("""{"quant_method": "bitsandbytes", "load_in_8bit": true}""", BitsAndBytes8),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_checkpoint_means_what_its_numbers_stand_for(string name)
    {
        (string config, WriteMap write) = Cases[name];
        using TemporaryFolder folder = new(), plain = new();
        bool isTied = name.Length % 2 == 0; // half of the cases each
        TinyLlama.Write(folder, plain, JsonNode.Parse(config)!.AsObject(), write, isTied, quantizesHead: name.Contains("128") && !isTied);
        CheckEqual(name, folder, plain, maps: 7);
    }

    /// <summary>The same of a mixture of experts, each of which is stored by itself.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Experts_of_a_checkpoint_mean_what_their_numbers_stand_for(string name)
    {
        (string config, WriteMap write) = Cases[name];
        using TemporaryFolder folder = new(), plain = new();
        TinyLlama.Write(folder, plain, JsonNode.Parse(config)!.AsObject(), write, experts: 3);
        CheckEqual(name, folder, plain, maps: 7);
        using ModelFile model = ModelFile.Open(folder.Path);
        TensorInfo gate = model.Tensor("blk.0.ffn_gate_exps.weight");
        Assert.Equal(name.Contains("act-order"), gate.ColumnOrder is not null);
        // Rows of several experts at once are these rows.
        float[] all = new float[gate.Count], row = new float[gate.Shape[0]];
        gate.Dequantize(0, all);
        for (int r = 0; r < gate.Shape[1] * gate.Shape[2]; r++)
        {
            gate.Dequantize(r, row);
            Assert.Equal(row, all[(r * row.Length)..((r + 1) * row.Length)]);
        }
    }

    [Fact]
    public void Experts_of_which_one_needs_zero_points_all_get_them()
    {
        using TemporaryFolder folder = new(), plain = new();
        WriteMap write = (file, module, weights, rows, columns) =>
            Gptq(4, 128, isSymmetric: !module.Contains("experts.1."), scaleType: module.Contains("experts.2.") ? "F32" : "F16")(file, module, weights, rows, columns);
        TinyLlama.Write(folder, plain, JsonNode.Parse(GptqConfig(4, 128))!.AsObject(), write, experts: 3);
        using (ModelFile model = ModelFile.Open(folder.Path))
            Assert.Equal("W4G128Z_F32", model.Tensor("blk.0.ffn_up_exps.weight").TypeName);
        CheckEqual("8 bits", folder, plain, maps: 7);
    }

    [Fact]
    public void Experts_of_different_bits_are_refused()
    {
        using TemporaryFolder folder = new(), plain = new();
        WriteMap write = (file, module, weights, rows, columns) =>
            Gptq(module.Contains("experts.1.w2") ? 8 : 4, 128, isSymmetric: true)(file, module, weights, rows, columns);
        TinyLlama.Write(folder, plain, JsonNode.Parse(GptqConfig(4, 128, "\"dynamic\": {}"))!.AsObject(), write, experts: 2);
        Assert.Contains("experts.1.w2.weight' is stored as W8G128", Assert.Throws<NotSupportedException>(() => ModelFile.Open(folder.Path)).Message);
    }

    private static void CheckEqual(string name, TemporaryFolder folder, TemporaryFolder plain, int maps)
    {
        using ModelFile model = ModelFile.Open(folder.Path), twin = ModelFile.Open(plain.Path);
        Assert.Equal(twin.Tensors.Keys, model.Tensors.Keys);
        // Halves times small integers are exact; other scales round once more.
        bool isExact = !name.StartsWith("compressed", StringComparison.Ordinal) && !name.Contains("BF16") && !name.Contains("8 bits");
        int own = 0;
        foreach (TensorInfo expected in twin.Tensors.Values.Where(tensor => tensor.Shape.Length > 1))
        {
            TensorInfo actual = model.Tensor(expected.Name);
            own += actual.Type == expected.Type ? 0 : 1;
            Assert.Equal(expected.Shape, actual.Shape);
            float[] a = new float[expected.Shape[0]], b = new float[expected.Shape[0]];
            for (int row = 0; row < expected.Count / a.Length; row++)
            {
                expected.Dequantize(row, a);
                actual.Dequantize(row, b);
                for (int i = 0; i < a.Length; i++)
                    Assert.True(a[i] == b[i] || (!isExact && Math.Abs(a[i] - b[i]) <= 4e-6 * Math.Abs(a[i]) + 1e-7), $"{expected.Name} row {row}, column {i}: {b[i]:R}, not {a[i]:R}");
            }
            actual.Release();
        }
        Assert.True(own >= maps);
        // Activations of integer weights are rounded to 8 bits.
        double error = Nmse(Logits(twin, new CpuOps(2)), Logits(model, new CpuOps(2)));
        Assert.InRange(error, 0, 3e-4);
        // Not rounded, what is left are last bits.
        Assert.InRange(Nmse(Logits(twin, new CpuOps(2)), Logits(model, new CpuOps(2) { Activations = ActivationPrecision.F32 })), 0, 1e-9);
    }

    /// <summary>As published: small groups of 4-bit activations find their scales as they go, and the largest of all is not needed.</summary>
    [Fact]
    public void Scales_of_4_bit_activations_are_not_used()
    {
        using TemporaryFolder folder = new(), plain = new();
        (string config, WriteMap write) = Cases["compressed NVFP4"];
        JsonObject quantization = JsonNode.Parse(config)!.AsObject();
        quantization["config_groups"]!["group_0"]!["input_activations"] =
            JsonNode.Parse("""{"num_bits": 4, "type": "float", "dynamic": "local", "strategy": "tensor_group", "group_size": 16}""");
        TinyLlama.Write(folder, plain, quantization, (file, module, weights, rows, columns) =>
        {
            AddFloats(file, $"{module}.input_global_scale", "F32", [1], [300]);
            return write(file, module, weights, rows, columns);
        });
        CheckEqual("compressed", folder, plain, maps: 7);
        using ModelFile model = ModelFile.Open(folder.Path);
        Assert.Null(ActivationRanges.Read(model.Metadata));
        Assert.Equal("NVFP4_F32", model.Tensor("blk.0.attn_q.weight").TypeName);
    }

    /// <summary>The caches here need no static scales: where a checkpoint has some, they are left out.</summary>
    [Theory]
    [InlineData("compressed FP8 channel", """{"num_bits": 8, "type": "float", "strategy": "tensor", "dynamic": false, "symmetric": true}""")]
    [InlineData("fp8 tensor", "\"static\"")]
    public void Scales_of_a_cache_are_not_used(string name, string scheme)
    {
        using TemporaryFolder folder = new(), plain = new();
        (string config, WriteMap write) = Cases[name];
        JsonObject quantization = JsonNode.Parse(config)!.AsObject();
        quantization["kv_cache_scheme"] = JsonNode.Parse(scheme);
        TinyLlama.Write(folder, plain, quantization, (file, module, weights, rows, columns) =>
        {
            if (module.EndsWith("k_proj", StringComparison.Ordinal) || module.EndsWith("v_proj", StringComparison.Ordinal))
            {
                AddFloats(file, $"{module[..^"k_proj".Length]}{module[^"k_proj".Length]}_scale", "BF16", [1], [0.125f]);
                AddFloats(file, $"{module}.output_scale", "F32", [], [0.125f]);
            }
            return write(file, module, weights, rows, columns);
        });
        CheckEqual("compressed", folder, plain, maps: 7);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(-1f)]
    [InlineData(float.PositiveInfinity)]
    public void A_global_scale_that_is_none_is_named(float scale)
    {
        using TemporaryFolder folder = new(), plain = new();
        TinyLlama.Write(folder, plain, JsonNode.Parse(Cases["compressed NVFP4"].Config)!.AsObject(), (file, module, weights, rows, columns) =>
            Nvfp4With(scale)(file, module, weights, rows, columns));
        Assert.Contains($"q_proj.weight_global_scale' is {scale}", Assert.Throws<InvalidDataException>(() => ModelFile.Open(folder.Path)).Message);
    }

    /// <summary>Static scales of activations: of int8 with 127 steps, of E4M3 with 448; in one number, of any shape and type of floats.</summary>
    [Theory]
    [InlineData("compressed W8A8", "F32", 1, 127 * 0.0390625f)]
    [InlineData("compressed W8A8", "BF16", 1, 127 * 0.0390625f)]
    [InlineData("compressed W4A16", "F32", 1, 127 * 0.0390625f)]
    [InlineData("compressed FP8 tensor", "BF16", 1, 448 * 0.0390625f)]
    [InlineData("fp8 tensor", "F32", 0, 448 * 0.0390625f)]
    public void Static_scales_of_activations_become_ranges(string name, string type, int dimensions, float range)
    {
        using TemporaryFolder folder = new(), plain = new();
        Write(name, folder, plain, (file, module) => AddFloats(file, $"{module}.input_scale", type, dimensions == 0 ? [] : [1], [0.0390625f]));
        using ModelFile model = ModelFile.Open(folder.Path), twin = ModelFile.Open(plain.Path);
        ActivationRanges ranges = ActivationRanges.Read(model.Metadata)!;
        string[] parts = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];
        Assert.Equal(parts.Select(part => $"blk.0.{part}.weight").Order(), ranges.Maps.Order());
        Assert.All(ranges.Maps, map => Assert.Equal(range, ranges.Of(map)));
        ActivationPrecision activations = range > 10 ? ActivationPrecision.FP8Static : ActivationPrecision.Int8Static;
        float[] expected = Logits(twin, new CpuOps(2)), actual = Logits(model, new CpuOps(2) { Activations = activations });
        Assert.InRange(Nmse(expected, actual), 1e-7, 5e-3);
        Assert.NotEqual(Logits(model, new CpuOps(2) { Activations = activations.Dynamic() }), actual);
    }

    /// <summary>Experts are one map here, for which the largest of their ranges does.</summary>
    [Fact]
    public void Experts_share_the_largest_range()
    {
        using TemporaryFolder folder = new(), plain = new();
        Write("compressed W8A8", folder, plain, (file, module) => AddFloats(file, $"{module}.input_scale", "F32", [1], [Scale(module)]), experts: 3);
        using ModelFile model = ModelFile.Open(folder.Path);
        ActivationRanges ranges = ActivationRanges.Read(model.Metadata)!;
        Assert.Equal(127 * 0.25f, ranges.Of("blk.0.ffn_down_exps.weight"));
        Assert.Equal(127 * 0.5f, ranges.Of("blk.0.attn_q.weight"));

        static float Scale(string module) => !module.Contains("experts") ? 0.5f : module.Contains("experts.1.") ? 0.25f : 0.125f;
    }

    /// <summary>Where config.json says that activations have scales of their own, one that is left over is not used.</summary>
    [Fact]
    public void Scales_of_dynamic_activations_are_not_used()
    {
        using TemporaryFolder folder = new(), plain = new();
        (string config, WriteMap write) = Cases["compressed W8A8"];
        TinyLlama.Write(folder, plain, JsonNode.Parse(config)!.AsObject(), (file, module, weights, rows, columns) =>
        {
            AddFloats(file, $"{module}.input_scale", "F32", [1], [0.5f]);
            return write(file, module, weights, rows, columns);
        });
        using ModelFile model = ModelFile.Open(folder.Path);
        Assert.Null(ActivationRanges.Read(model.Metadata));
    }

    [Fact]
    public void Activations_with_a_zero_point_have_no_range()
    {
        using TemporaryFolder folder = new(), plain = new();
        Write("compressed W8A8", folder, plain, (file, module) =>
        {
            AddFloats(file, $"{module}.input_scale", "F32", [1], [0.5f]);
            file.Add($"{module}.input_zero_point", "I8", [1], [module.Contains("down", StringComparison.Ordinal) ? (byte)0 : (byte)7]);
        });
        using ModelFile model = ModelFile.Open(folder.Path);
        Assert.Equal(["blk.0.ffn_down.weight"], ActivationRanges.Read(model.Metadata)!.Maps);
    }

    [Theory]
    [InlineData(new[] { 1f, 1f }, "input_scale' has shape [2]")]
    [InlineData(new[] { 0f }, "input_scale' is 0")]
    [InlineData(new[] { -1f }, "input_scale' is -1")]
    [InlineData(new[] { float.NaN }, "input_scale' is NaN")]
    public void A_static_scale_that_is_none_is_named(float[] scale, string message)
    {
        foreach (string name in (string[])["compressed W8A8", "fp8 tensor"])
        {
            using TemporaryFolder folder = new(), plain = new();
            Write(name, folder, plain, (file, module) => AddFloats(file, $"{module}.input_scale", "F32", [scale.Length], scale));
            Assert.Contains(message, Assert.Throws<InvalidDataException>(() => ModelFile.Open(folder.Path)).Message);
        }
    }

    /// <summary>Writes a case, its activations static, with more tensors for each map.</summary>
    private static void Write(string name, TemporaryFolder folder, TemporaryFolder plain, Action<RawSafetensors, string> addMore, int experts = 0)
    {
        (string config, WriteMap write) = Cases[name];
        TinyLlama.Write(folder, plain, JsonNode.Parse(config.Replace("\"dynamic\": true", "\"dynamic\": false"))!.AsObject(), (file, module, weights, rows, columns) =>
        {
            addMore(file, module);
            return write(file, module, weights, rows, columns);
        }, experts: experts);
    }

    [Fact]
    public void Maps_that_are_not_converted_stay_plain()
    {
        using TemporaryFolder folder = new(), plain = new();
        TinyLlama.Write(folder, plain, JsonNode.Parse(AwqConfig(128))!.AsObject(), Awq(128), plainModule: "model.layers.0.mlp.down_proj");
        using ModelFile model = ModelFile.Open(folder.Path);
        Assert.Equal("F32", model.Tensor("blk.0.ffn_down.weight").TypeName);
        Assert.Equal("W4G128Z", model.Tensor("blk.0.ffn_up.weight").TypeName);
        Assert.Equal("F32", model.Tensor("output.weight").TypeName);
    }

    [Fact]
    public void Old_folders_say_how_in_a_file_beside_config_json()
    {
        using TemporaryFolder gptq = new(), awq = new(), plain = new();
        TinyLlama.Write(gptq, plain, null, Gptq(4, 128, true));
        gptq.Write("quantize_config.json", """{"bits": 4, "group_size": 128, "damp_percent": 0.01, "desc_act": false, "sym": true, "true_sequential": true}""");
        TinyLlama.Write(awq, plain, null, Awq(128));
        awq.Write("quant_config.json", """{"zero_point": true, "q_group_size": 128, "w_bit": 4, "version": "GEMM"}""");
        using ModelFile a = ModelFile.Open(gptq.Path), b = ModelFile.Open(awq.Path);
        Assert.Equal("W4G128", a.Tensor("blk.0.attn_q.weight").TypeName);
        Assert.Equal("W4G128Z", b.Tensor("blk.0.attn_q.weight").TypeName);
    }

    [Fact]
    public void A_bias_of_zeros_that_a_program_wrote_for_a_map_without_one_is_left_out()
    {
        using TemporaryFolder folder = new(), plain = new();
        WriteMap WithBias(Half bias) => (file, module, weights, rows, columns) =>
        {
            file.Add($"{module}.bias", "F16", [rows], MemoryMarshal.AsBytes<Half>([.. Enumerable.Repeat(bias, rows)]));
            return Gptq(4, 128, true)(file, module, weights, rows, columns);
        };
        TinyLlama.Write(folder, plain, JsonNode.Parse(GptqConfig(4, 128))!.AsObject(), WithBias((Half)0));
        using (ModelFile model = ModelFile.Open(folder.Path))
            Assert.DoesNotContain("blk.0.attn_q.bias", model.Tensors.Keys);
        TinyLlama.Write(folder, plain, JsonNode.Parse(GptqConfig(4, 128))!.AsObject(), WithBias((Half)1));
        Assert.Contains("q_proj.bias", Assert.Throws<NotSupportedException>(() => ModelFile.Open(folder.Path)).Message);
    }

    [Theory]
    [InlineData("""{"quant_method": "hqq"}""", "'quantization_config.quant_method' is \"hqq\"")]
    [InlineData("""{"bits": 4}""", "'quantization_config.quant_method' is missing")]
    [InlineData("""{"quant_method": "gptq", "bits": 4, "newest": 1}""", "'quantization_config.newest' is 1")]
    [InlineData("""{"quant_method": "gptq", "bits": 5}""", "'quantization_config.bits' is 5")]
    [InlineData("""{"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}""", "'quantization_config.checkpoint_format' is \"marlin\"")]
    [InlineData("""{"quant_method": "awq", "bits": 4, "version": "gemv_fast"}""", "'quantization_config.version' is \"gemv_fast\"")]
    [InlineData("""{"quant_method": "awq", "bits": 4, "version": "gemv"}""", "'quantization_config.group_size' is missing")]
    [InlineData("""{"quant_method": "awq", "bits": 3}""", "'quantization_config.bits' is 3")]
    [InlineData("""{"quant_method": "fp8", "fmt": "e3m4"}""", "'quantization_config.fmt' is \"e3m4\"")]
    [InlineData("""{"quant_method": "fp8", "weight_block_size": [128]}""", "'quantization_config.weight_block_size' must be")]
    [InlineData("""{"quant_method": "compressed-tensors", "format": "marlin-24", "config_groups": {}}""", "'quantization_config.format' is")]
    [InlineData("""{"quant_method": "compressed-tensors"}""", "'quantization_config.config_groups' is missing")]
    [InlineData("""{"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": {"num_bits": 6}}}}""", "'quantization_config.config_groups.group_0.weights.num_bits' is 6")]
    [InlineData("""{"quant_method": "compressed-tensors", "config_groups": {"g": {"output_activations": {"num_bits": 8}}}}""", "output_activations' is")]
    [InlineData("""{"quant_method": "compressed-tensors", "config_groups": {}, "sparsity_config": {"format": "sparse-24-bitmask"}}""", "sparsity_config' is")]
    [InlineData("""{"quant_method": "compressed-tensors", "config_groups": {"a": {"input_activations": {"num_bits": 8}}, "b": {"input_activations": {"num_bits": 8, "type": "float"}}}}""", "b.input_activations.type' is")]
    [InlineData("""{"quant_method": "compressed-tensors", "config_groups": {"g": {"input_activations": {"num_bits": 16}}}}""", "input_activations.num_bits' is 16")]
    [InlineData("""{"quant_method": "bitsandbytes", "load_in_2bit": true}""", "'quantization_config.load_in_2bit' is true")]
    public void What_is_not_implemented_is_refused_by_its_key(string quantization, string message)
    {
        using TemporaryFolder folder = new(), plain = new();
        TinyLlama.Write(folder, plain, JsonNode.Parse(quantization)!.AsObject(), Awq(128));
        Exception error = Assert.ThrowsAny<Exception>(() => ModelFile.Open(folder.Path));
        Assert.True(error is NotSupportedException or InvalidDataException, error.ToString());
        Assert.Contains(message, error.Message);
    }

    [Theory]
    [InlineData("gptq 4 bits 128", "qweight", "", "q_proj.qweight' is missing")]
    [InlineData("gptq 4 bits 128", "qzeros", "", "q_proj.qzeros' is missing")]
    [InlineData("gptq 4 bits 128", "scales", "", "q_proj.scales' is missing")]
    [InlineData("gptq 4 bits 128", "scales", "4, 128", "scales' has shape [4, 128]")]
    [InlineData("gptq 4 bits 128", "qzeros", "4, 16", "qzeros' has shape [4, 16]")]
    [InlineData("gptq 4 bits 128", "g_idx", "2, 128", "g_idx' has shape [2, 128]")]
    [InlineData("awq 128", "qzeros", "", "qzeros' is missing")]
    [InlineData("awq 128", "scales", "4, 128", "scales' has shape")]
    [InlineData("awq gemv 32", "qzeros", "128, 8", "qzeros' has shape [128, 8] where [256, 4]")]
    [InlineData("awq gemv 32", "scales", "512, 16", "scales' has shape [512, 16] where [256, 32]")]
    [InlineData("compressed W4A16", "weight_scale", "", "weight_scale' is missing")]
    [InlineData("compressed W4A16", "weight_shape", "", "weight_shape' is missing")]
    [InlineData("compressed W4A16", "weight_packed", "512, 16", "weight_shape' is [256, 256], but weight_packed has 512 rows")]
    [InlineData("compressed W8A8", "weight_scale", "16, 16", "weight_scale' has shape [16, 16]")]
    [InlineData("compressed NVFP4", "weight_scale", "", "weight_scale' is missing")]
    [InlineData("compressed NVFP4", "weight_scale", "512, 8", "weight_scale' has shape [512, 8]")]
    [InlineData("compressed NVFP4", "weight_global_scale", "", "weight_global_scale' is missing")]
    [InlineData("compressed MXFP4", "weight_scale", "512, 4", "weight_scale' has shape [512, 4]")]
    [InlineData("fp8 squares", "weight_scale_inv", "", "weight_scale_inv' is missing")]
    [InlineData("fp8 squares", "weight_scale_inv", "1, 4", "weight_scale_inv' has shape [1, 4]")]
    [InlineData("nf4 double", "weight.absmax", "", "weight.absmax' is missing")]
    [InlineData("nf4 double", "weight.nested_absmax", "", "nested_absmax' is missing")]
    [InlineData("nf4 double", "weight.quant_state.bitsandbytes__nf4", "", "bitsandbytes__nf4' is missing")]
    [InlineData("nf4 double", "weight.nested_quant_map", "128, 2", "nested_quant_map' has shape [128, 2]")]
    [InlineData("bitsandbytes 8 bits", "SCB", "", "SCB' is missing")]
    public void A_missing_tensor_and_a_wrong_shape_are_named(string name, string suffix, string shape, string message)
    {
        (string config, WriteMap write) = Cases[name];
        using TemporaryFolder folder = new(), plain = new();
        TinyLlama.Write(folder, plain, JsonNode.Parse(config)!.AsObject(), write);
        Edit(folder["model.safetensors"], "model.layers.0.self_attn.q_proj." + suffix, shape);
        Exception error = Assert.ThrowsAny<Exception>(() => ModelFile.Open(folder.Path));
        Assert.True(error is InvalidDataException, error.ToString());
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Numbers_that_are_not_finite_are_refused_when_the_model_is_loaded()
    {
        using TemporaryFolder folder = new(), plain = new();
        WriteMap nan = (file, module, weights, rows, columns) =>
        {
            file.Add($"{module}.weight", "F8_E4M3", [rows, columns], [.. Enumerable.Repeat((byte)0x7F, rows * columns)]);
            return weights;
        };
        TinyLlama.Write(folder, plain, null, nan);
        using ModelFile model = ModelFile.Open(folder.Path);
        Assert.Contains("attn_q.weight", Assert.Throws<InvalidDataException>(() => Logits(model, new CpuOps(1))).Message);
    }

    private static string GptqConfig(int bits, int group, string more = "\"desc_act\": false") =>
        $$"""{"quant_method": "gptq", "bits": {{bits}}, "group_size": {{group}}, "sym": true, "damp_percent": 0.1, {{more}}}""";

    private static string AwqConfig(int group, string version = "gemm") =>
        $$"""{"quant_method": "awq", "bits": 4, "group_size": {{group}}, "zero_point": true, "version": "{{version}}", "modules_to_not_convert": null}""";

    private static string Compressed(string format, int bits, string strategy, string type = "int", string more = "") => $$$$$$$"""
        {"quant_method": "compressed-tensors", "format": "{{{{{{{format}}}}}}}", "ignore": ["lm_head"], "quantization_status": "compressed", "config_groups": {"group_0":
         {"targets": ["Linear"], "output_activations": null, "input_activations": {"num_bits": 8, "type": "{{{{{{{type}}}}}}}", "dynamic": true, "strategy": "token"},
          "weights": {"num_bits": {{{{{{{bits}}}}}}}, "type": "{{{{{{{type}}}}}}}", "strategy": "{{{{{{{strategy}}}}}}}", "symmetric": true, "dynamic": false, "observer": "minmax"{{{{{{{more}}}}}}}}}}}
        """;

    private static string Bnb(string type) =>
        $$"""{"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "{{type}}", "bnb_4bit_use_double_quant": true, "bnb_4bit_compute_dtype": "bfloat16"}""";

    private static WriteMap Mixed(WriteMap most, WriteMap down) => (file, module, weights, rows, columns) =>
        (module.Contains("down") ? down : most)(file, module, weights, rows, columns);

    /// <summary>Takes a tensor out of a file (as an unknown name's would be), or gives it another shape of the same size or half of it.</summary>
    private static void Edit(string path, string tensor, string shape)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int length = (int)BitConverter.ToUInt64(bytes);
        JsonObject header = JsonNode.Parse(Encoding.UTF8.GetString(bytes, 8, length))!.AsObject();
        RawSafetensors edited = new();
        foreach ((string name, JsonNode? entry) in header.Where(entry => entry.Key != "__metadata__" && (entry.Key != tensor || shape != "")))
        {
            int start = (int)entry!["data_offsets"]![0]!, end = (int)entry["data_offsets"]![1]!;
            long[] dimensions = name == tensor ? [.. shape.Split(',').Select(long.Parse)] : [.. entry["shape"]!.AsArray().Select(d => (long)d!)];
            byte[] data = bytes[(8 + length + start)..(8 + length + end)];
            string type = (string)entry["dtype"]!;
            int size = type is "I64" ? 8 : type is "F32" or "I32" ? 4 : type is "F16" or "BF16" ? 2 : 1;
            Array.Resize(ref data, (int)dimensions.Aggregate(1L, (product, d) => product * d) * size);
            edited.Add(name, type, dimensions, data);
        }
        File.WriteAllBytes(path, edited.ToArray());
    }

    private static double Nmse(float[] expected, float[] actual)
    {
        double error = 0, sum = 0;
        for (int i = 0; i < expected.Length; i++)
            (error, sum) = (error + Math.Pow(expected[i] - actual[i], 2), sum + Math.Pow(expected[i], 2));
        return error / sum;
    }

    private static float[] Logits(ModelFile file, Ops owned)
    {
        using Ops ops = owned;
        Model model = Model.Load(file, ops);
        using KvCache cache = new(KvPlan.Create(model.Layers, KvFormats.Get("f32"), 64, 1, 64, 1L << 30));
        using SequenceCache sequence = cache.CreateSequence();
        int[] tokens = [1, 20, 33, 4, 95, 60];
        Assert.True(sequence.TryReserve(tokens.Length));
        Batch batch = new();
        sequence.Begin(batch);
        foreach (int token in tokens)
            batch.Add(token, wantOutput: true);
        using ScratchScope scope = ops.Scratch();
        Tensor result = model.Forward(batch, cache);
        List<float> logits = [];
        for (int row = 0; row < result.Rows; row++)
            logits.AddRange(result[row]);
        return [.. logits];
    }
}
