using System.Text;
using Sluice.Files.HuggingFace;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files;

/// <summary>
/// Damaged files: each is read, or refused with one of the two exceptions that say so, and neither takes more memory than some
/// times the file. 100,000 files, which takes seconds; 2,000,000 with SLUICE_LONG_TESTS=1.
/// </summary>
public class FuzzTests
{
    private static readonly int Cases = Environment.GetEnvironmentVariable("SLUICE_LONG_TESTS") == "1" ? 2_000_000 : 100_000;

    [Fact]
    public void Damaged_gguf_files()
    {
        byte[][] seeds = [Gguf(2), Gguf(3), Vocabulary()];
        Fuzz(seeds, Cases * 6 / 10, ReadGguf);
    }

    [Fact]
    public void Damaged_safetensors_files()
    {
        JsonFile config = JsonFile.Parse("config.json", Config());
        Fuzz([Safetensors()], Cases * 3 / 10, file =>
        {
            foreach (TensorInfo tensor in HuggingFaceModel.Read(new ConfigMap(config), [file]).Values)
                _ = tensor.Data.Span().Length;
        });
    }

    [Fact]
    public void Damaged_config_files()
    {
        MappedFile tensors = RawGguf.InMemory("model.safetensors", Safetensors());
        Fuzz([Config()], Cases / 10, file =>
        {
            ConfigMap config = new(JsonFile.Parse(file.Path, file.Bytes.Span().ToArray()));
            foreach (TensorInfo tensor in HuggingFaceModel.Read(config, [tensors]).Values)
                _ = tensor.Data.Span().Length;
        });
    }

    [Fact]
    public void A_reader_that_fails_otherwise_is_noticed()
    {
        Assert.ThrowsAny<Exception>(() => Fuzz([Gguf(3)], 10, _ => throw new IndexOutOfRangeException()));
        Assert.ThrowsAny<Exception>(() => Fuzz([Gguf(3)], 10, _ => GC.KeepAlive(new byte[1 << 20])));
    }

    private static void Fuzz(byte[][] seeds, int cases, Action<MappedFile> read)
    {
        int readable = 0, refused = 0;
        foreach (byte[] seed in seeds)
            read(RawGguf.InMemory("seed", seed));
        for (int i = 0; i < cases; i++)
        {
            Random random = new(i);
            byte[] bytes = Mutation.Mutate(seeds[random.Next(seeds.Length)], random);
            MappedFile file = RawGguf.InMemory("fuzz", bytes);
            // An exception's message and stack trace are part of the constant.
            long limit = 50_000 + 20L * bytes.Length;
            long allocated = Read(i, file, read, ref readable, ref refused);
            // The first of its kind also loads message texts and the like.
            if (allocated > limit)
                allocated = Read(i, file, read, ref readable, ref refused);
            Assert.True(allocated <= limit, $"case {i}: a file of {bytes.Length} bytes made the reader allocate {allocated}");
        }
        // Both happen, or the damage was too little or too much.
        Assert.True(readable > cases / 100 && refused > cases / 100, $"{readable} readable, {refused} refused");
    }

    private static long Read(int i, MappedFile file, Action<MappedFile> read, ref int readable, ref int refused)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            read(file);
            readable++;
        }
        catch (Exception e) when (e is InvalidDataException or NotSupportedException)
        {
            refused++;
        }
        catch (Exception e)
        {
            Assert.Fail($"case {i}: {e}");
        }
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static void ReadGguf(MappedFile file)
    {
        var (metadata, tensors) = GgufReader.Read(file);
        foreach ((string key, MetadataValue value) in metadata)
        {
            _ = value.ToString();
            switch (value.Array?.ElementType)
            {
                case null:
                    break;
                case MetadataType.String:
                    int length = 0;
                    StringArray strings = metadata.GetStringArray(key);
                    for (int i = 0; i < strings.Count; i++)
                        length += strings[i].Length;
                    break;
                case MetadataType.Array:
                    Walk(value.Array);
                    break;
                case MetadataType.Bool:
                    metadata.GetBoolArray(key);
                    break;
                default:
                    metadata.GetFloatArray(key);
                    break;
            }
        }
        foreach (TensorInfo tensor in tensors.Values)
            _ = tensor.Data.Span().Length;

        static void Walk(MetadataArray array)
        {
            if (array.ElementType is MetadataType.Array)
                Array.ForEach(array.Arrays(), Walk);
        }
    }

    private static byte[] Gguf(int version)
    {
        Metadata metadata = new("seed")
        {
            { "general.architecture", "llama" }, { "general.alignment", 32u }, { "llama.block_count", 2u }, { "f", 1.5f }, { "d", 2.5 },
            { "b", true }, { "u8", (byte)1 }, { "i16", (short)-2 }, { "u64", 5ul }, { "ints", new[] { 1, 2, 3 } },
            { "floats", new[] { 1f, 2f } }, { "bools", MetadataArray.Of<byte>(MetadataType.Bool, [0, 1]) },
            { "strings", new[] { "a", "bb", "ccc", "é" } },
            { "nested", MetadataArray.Of([MetadataArray.Of([1]), MetadataArray.Of([MetadataArray.Of(["x"])])]) },
        };
        using MemoryStream stream = new();
        using GgufWriter writer = new(stream, metadata, version);
        writer.Declare("token_embd.weight", TensorType.F32, 4, 3);
        writer.Declare("blk.0.attn_q.weight", TensorType.Q8_0, 32, 2);
        writer.Declare("blk.0.ffn_up.weight", TensorType.Q4_K, 256, 1, 1);
        writer.Write("token_embd.weight", new byte[48]);
        writer.Write("blk.0.attn_q.weight", new byte[68]);
        writer.Write("blk.0.ffn_up.weight", new byte[144]);
        writer.Finish();
        return stream.ToArray();
    }

    private static byte[] Vocabulary()
    {
        Metadata metadata = new("seed")
        {
            { "tokenizer.ggml.tokens", Enumerable.Range(0, 300).Select(i => "token" + i).ToArray() },
            { "tokenizer.ggml.scores", new float[300] },
        };
        using MemoryStream stream = new();
        using GgufWriter writer = new(stream, metadata);
        writer.Finish();
        return stream.ToArray();
    }

    private static byte[] Config() => Encoding.UTF8.GetBytes("""
        {"model_type": "llama", "num_hidden_layers": 1, "hidden_size": 4, "num_attention_heads": 2, "num_key_value_heads": 1,
         "intermediate_size": 8, "vocab_size": 8, "max_position_embeddings": 64, "tie_word_embeddings": true, "head_dim": 2,
         "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "attention_bias": false, "hidden_act": "silu", "pad_token_id": null,
         "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                          "original_max_position_embeddings": 32}}
        """);

    private static byte[] Safetensors() => new RawSafetensors()
        .Add("model.embed_tokens.weight", "BF16", [8, 4], new byte[64])
        .Add("model.norm.weight", "F16", [4], new byte[8])
        .Add("model.layers.0.input_layernorm.weight", "F32", [4], new byte[16])
        .Add("model.layers.0.self_attn.q_proj.weight", "F16", [4, 4], new byte[32])
        .Add("model.layers.0.self_attn.k_proj.weight", "F16", [2, 4], new byte[16])
        .ToArray();
}
