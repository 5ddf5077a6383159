using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Sluice.Cli.Tests.Commands;

public class ExportTests
{
    [Fact]
    public void Writes_checkpoints_that_run_here_too()
    {
        using TemporaryFolder folder = new();
        string model = folder.File("model"), gptq = folder.File("gptq"), awq = folder.File("awq"), fp8 = folder.File("fp8");
        WriteTiny(model);
        Assert.Contains("14 rounded to nearest", SluiceProcess.Run("export", model, gptq, "--layout", "gptq_v2", "--group-size", "32").Succeeded().Error);
        Assert.Contains("14 maps as they were, 0 rounded", SluiceProcess.Run("export", gptq, awq, "--layout", "awq", "--group-size", "32").Succeeded().Error);
        SluiceProcess.Run("export", model, fp8, "--layout", "fp8").Succeeded();
        Assert.Contains("W4G32Z", SluiceProcess.Run("inspect", gptq).Succeeded().Output);
        Assert.Contains("8-bit floats with scales, bfloat16 activations", SluiceProcess.Run("inspect", fp8).Succeeded().Output);
        using JsonDocument json = JsonDocument.Parse(SluiceProcess.Run("inspect", "--json", awq).Succeeded().Output);
        JsonElement query = json.RootElement.GetProperty("tensors").EnumerateArray().Single(t => t.GetProperty("name").GetString() == "blk.0.attn_q.weight");
        Assert.Equal("W4G32Z", query.GetProperty("type").GetString());
        Assert.Equal("4-bit integers, int8 activations", query.GetProperty("kernel").GetString());
        float[] expected = Logits(model, []), same = Logits(gptq, []);
        Assert.Equal(same, Logits(awq, []));
        Assert.InRange(Nmse(expected, same), 1e-6, 0.2);
        Assert.InRange(Nmse(expected, Logits(fp8, [])), 1e-6, 0.01);
        // Activations that are not rounded, and such that are.
        float[] exact = Logits(gptq, ["--activations", "f32"]), coarse = Logits(gptq, ["--activations", "fp8"]);
        Assert.InRange(Nmse(exact, same), 1e-9, 1e-3);
        Assert.InRange(Nmse(exact, coarse), 1e-4, 0.05);

        float[] Logits(string path, string[] more)
        {
            string output = folder.File("logits.f32");
            SluiceProcess.Run(["logits", "--model", path, "--tokens", "1,2,3,4,5", "--out", output, .. more]).Succeeded();
            return MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(output)).ToArray();
        }
    }

    [Fact]
    public void Refuses_what_cannot_be()
    {
        using TemporaryFolder folder = new();
        string model = folder.File("model"), output = folder.File("out");
        WriteTiny(model);
        SluiceProcess.Run("export", model, output, "--layout", "hqq").Failed(2, "gptq_v2", "hqq");
        SluiceProcess.Run("export", model, output, "--layout", "awq", "--bits", "3").Failed(2, "4 bits");
        SluiceProcess.Run("export", model, output, "--group-size", "48").Failed(2, "multiples of 32");
        SluiceProcess.Run("export", model, output, "--layout", "fp8", "--bits", "4").Failed(2, "fp8 has none");
        string text = folder.File("text.txt");
        File.WriteAllText(text, "Once upon a time.");
        string[] gptq = ["export", model, output, "--method", "gptq", "--calibration", text];
        SluiceProcess.Run(gptq[..5]).Failed(2, "--method gptq needs a text");
        SluiceProcess.Run([.. gptq, "--layout", "fp8"]).Failed(2, "fp8", "gptq is for layouts of integers");
        SluiceProcess.Run([.. gptq, "--layout", "awq", "--act-order"]).Failed(2, "static groups");
        SluiceProcess.Run("export", model, output, "--calibration", text).Failed(2, "rtn", "gptq, awq");
        SluiceProcess.Run("export", model, output, "--method", "awq", "--calibration", text, "--static-groups").Failed(2, "--static-groups", "gptq");
        SluiceProcess.Run("export", model, output, "--method", "smoothquant", "--calibration", text).Failed(2, "rtn, gptq, awq");
        SluiceProcess.Run([.. gptq, "--group-size", "96"]).Failed(1, "do not divide", "blk.0.");
        SluiceProcess.Run("export", model, model).Failed(1, "exists");
        SluiceProcess.Run("export", model, folder.File("none/out")).Failed(1, "There is no folder", "none");
        if (OperatingSystem.IsLinux()) // nobody can make folders in /sys
            SluiceProcess.Run("export", model, "/sys/out/").Failed(1, "/sys takes no new files");
        SluiceProcess.Run("export", TestModel.Path, output).Failed(1, "no Hugging Face folder");
        SluiceProcess.Run("logits", "--model", model, "--tokens", "1", "--out", output, "--activations", "int4").Failed(2, "auto, f32, bf16, int8, int8-token, fp8");
        Assert.False(Path.Exists(output));
    }

    /// <summary>By the names of <c>sluice inspect</c>, not by numbers: no GGUF file has such types.</summary>
    [Fact]
    public void What_is_quantized_already_is_named()
    {
        using TemporaryFolder folder = new();
        string model = folder.File("model"), gptq = folder.File("gptq"), output = folder.File("out.gguf");
        WriteTiny(model);
        SluiceProcess.Run("export", model, gptq, "--group-size", "32").Succeeded();
        SluiceProcess.Run("export", gptq, folder.File("fp8"), "--layout", "fp8").Failed(1, "'blk.0.attn_q.weight' is W4G32Z");
        SluiceProcess.Run("quantize", gptq, output, "--type", "Q4_0").Failed(1, "'blk.0.attn_q.weight' is W4G32Z");
        SluiceProcess.Run("quantize", gptq, output, "--type", "Q4_0", "--rotate").Failed(1, "(W4G32Z)");
        string shown = SluiceProcess.Run("quantize", gptq, "--type", "Q4_0", "--requantize", "--dry-run", "--json").Succeeded().Output;
        Assert.Contains("\"from\": \"W4G32Z\"", shown);
    }

    /// <summary>A folder with a llama of two layers of random weights.</summary>
    private static void WriteTiny(string folder)
    {
        const int Hidden = 64, Inner = 128, Vocabulary = 96;
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), $$"""
            {"model_type": "llama", "num_hidden_layers": 2, "max_position_embeddings": 64, "hidden_size": {{Hidden}}, "intermediate_size": {{Inner}},
             "vocab_size": {{Vocabulary}}, "num_attention_heads": 2, "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "tie_word_embeddings": true}
            """);
        Random random = new(1);
        JsonObject header = [];
        using MemoryStream data = new();
        void Add(string name, params int[] shape)
        {
            float[] values = new float[shape.Aggregate(1, (product, d) => product * d)];
            for (int i = 0; i < values.Length; i++)
                values[i] = shape.Length == 1 ? 1 : (random.NextSingle() - 0.5f) * 3 / MathF.Sqrt(shape[1]);
            header[name] = new JsonObject
            {
                ["dtype"] = "F32",
                ["shape"] = new JsonArray([.. shape.Select(d => (JsonNode)d)]),
                ["data_offsets"] = new JsonArray(data.Length, data.Length + values.Length * 4),
            };
            data.Write(MemoryMarshal.AsBytes<float>(values));
        }
        Add("model.embed_tokens.weight", Vocabulary, Hidden);
        Add("model.norm.weight", Hidden);
        for (int layer = 0; layer < 2; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            Add(prefix + "input_layernorm.weight", Hidden);
            Add(prefix + "post_attention_layernorm.weight", Hidden);
            foreach (string name in (string[])["q", "k", "v", "o"])
                Add($"{prefix}self_attn.{name}_proj.weight", Hidden, Hidden);
            Add(prefix + "mlp.gate_proj.weight", Inner, Hidden);
            Add(prefix + "mlp.up_proj.weight", Inner, Hidden);
            Add(prefix + "mlp.down_proj.weight", Hidden, Inner);
        }
        byte[] json = Encoding.UTF8.GetBytes(header.ToJsonString());
        File.WriteAllBytes(Path.Combine(folder, "model.safetensors"), [.. BitConverter.GetBytes((ulong)json.Length), .. json, .. data.ToArray()]);
    }

    private static double Nmse(float[] expected, float[] actual)
    {
        double error = 0, sum = 0;
        for (int i = 0; i < expected.Length; i++)
            (error, sum) = (error + Math.Pow(expected[i] - actual[i], 2), sum + Math.Pow(expected[i], 2));
        return error / sum;
    }
}
