using System.Text;
using System.Text.Json.Nodes;
using Sluice.Files.HuggingFace;

namespace Sluice.Files;

/// <summary>Checkpoints with a damaged header or a damaged config.json are read, or refused with one of the two exceptions that say so.</summary>
public class CheckpointFuzzTests
{
    private const int Times = 150;

    [Theory]
    [InlineData("gptq 4 bits 128 asymmetric act-order")]
    [InlineData("gptq 3 bits 128")]
    [InlineData("awq 128")]
    [InlineData("compressed W4A16 asymmetric")]
    [InlineData("compressed W8A8 asymmetric")]
    [InlineData("fp8 squares")]
    [InlineData("nf4 double")]
    public void Damaged_checkpoints(string name)
    {
        (string config, WriteMap write) = CheckpointTests.Cases[name];
        using TemporaryFolder folder = new(), plain = new();
        TinyLlama.Write(folder, plain, JsonNode.Parse(config)!.AsObject(), write);
        Damage(folder, "blk.0.attn_q.weight");
    }

    [Fact]
    public void Damaged_checkpoints_of_experts()
    {
        (string config, WriteMap write) = CheckpointTests.Cases["gptq 4 bits 32 asymmetric"];
        using TemporaryFolder folder = new(), plain = new();
        TinyLlama.Write(folder, plain, JsonNode.Parse(config)!.AsObject(), write, experts: 3);
        Damage(folder, "blk.0.ffn_down_exps.weight");
    }

    [Fact]
    public void Damaged_checkpoints_of_experts_in_one_tensor()
    {
        using TemporaryFolder folder = new();
        folder.Write("config.json", """
            {"model_type": "gpt_oss", "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32,
             "intermediate_size": 32, "vocab_size": 8, "max_position_embeddings": 64, "tie_word_embeddings": true, "sliding_window": 8,
             "num_local_experts": 2, "num_experts_per_tok": 1, "quantization_config": {"quant_method": "mxfp4"}}
            """);
        string prefix = "model.layers.0.mlp.experts.";
        RawSafetensors file = new();
        file.Add("model.embed_tokens.weight", "BF16", [8, 64], new byte[1024]).Add("model.norm.weight", "BF16", [64], new byte[128])
            .Add(prefix + "gate_up_proj_blocks", "U8", [2, 64, 2, 16], new byte[4096]).Add(prefix + "gate_up_proj_scales", "U8", [2, 64, 2], new byte[256])
            .Add(prefix + "gate_up_proj_bias", "BF16", [2, 64], new byte[256]).Add(prefix.Replace("0", "1") + "down_proj", "BF16", [2, 32, 64], new byte[8192]);
        folder.Write("model.safetensors", file.ToArray());
        Damage(folder, "blk.0.ffn_up_exps.weight", "blk.0.ffn_gate_exps.bias", "blk.1.ffn_down_exps.weight");
    }

    private static void Damage(TemporaryFolder folder, params string[] queries)
    {
        byte[] bytes = File.ReadAllBytes(folder["model.safetensors"]), json = File.ReadAllBytes(folder["config.json"]);
        int length = (int)BitConverter.ToUInt64(bytes), readable = 0, refused = 0;
        byte[] header = bytes[8..(8 + length)], data = bytes[(8 + length)..];
        for (int i = 0; i < 2 * Times; i++)
        {
            Random random = new(i);
            byte[] changedHeader = i < Times ? Damage(header, random) : header, changedConfig = i < Times ? json : Damage(json, random);
            byte[] file = [.. BitConverter.GetBytes((ulong)changedHeader.Length), .. changedHeader, .. data];
            try
            {
                ConfigMap map = new(JsonFile.Parse(folder["config.json"], changedConfig));
                OrderedDictionary<string, TensorInfo> tensors = HuggingFaceModel.Read(map, [RawGguf.InMemory("fuzz", file)]);
                foreach (string query in queries)
                    _ = tensors[query].Data.Span().Length;
                readable++;
            }
            catch (Exception error) when (error is InvalidDataException or NotSupportedException or KeyNotFoundException)
            {
                refused++;
            }
            catch (Exception error)
            {
                Assert.Fail($"case {i}: {error}\n{Encoding.UTF8.GetString(i < Times ? changedHeader : changedConfig)}");
            }
        }
        Assert.True(readable > 0 && refused > Times / 2, $"{readable} readable, {refused} refused");
    }

    // Half of the time a number for another one, which keeps it JSON.
    private static byte[] Damage(byte[] text, Random random)
    {
        if (random.Next(2) == 0)
            return Mutation.Mutate(text, random);
        string[] numbers = ["0", "1", "7", "32", "96", "128", "255", "-1", "2147483647", "4294967296", "1e3", "null", "[]"];
        byte[] result = [.. text];
        int at = random.Next(result.Length), digit = Array.FindIndex(result, at, value => value is >= (byte)'0' and <= (byte)'9');
        if (digit < 0)
            return result;
        int end = Array.FindIndex(result, digit, value => value is < (byte)'0' or > (byte)'9');
        return [.. result[..digit], .. Encoding.UTF8.GetBytes(numbers[random.Next(numbers.Length)]), .. result[end..]];
    }
}
