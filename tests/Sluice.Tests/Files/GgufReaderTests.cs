using Sluice.Tensors.Formats;
using Sluice.TestData;

namespace Sluice.Files;

public class GgufReaderTests
{
    [Theory]
    [InlineData("golden", "models")]
    [InlineData("golden", "tokenizers")]
    [InlineData("models")]
    public void Opens_every_file_that_others_wrote(params string[] folder)
    {
        foreach (string path in Directory.GetFiles(SharedFiles.Shared(folder), "*.gguf"))
        {
            if (path.EndsWith("IQ4_XS.gguf", StringComparison.Ordinal))
            {
                // Written by ik_llama.cpp, with a type of its own in it.
                NotSupportedException error = Assert.Throws<NotSupportedException>(() => ModelFile.Open(path));
                Assert.Contains($"{path}: tensor 'blk.0.attn_v.weight' has type 140, which only ik_llama.cpp has", error.Message);
                continue;
            }
            using ModelFile model = ModelFile.Open(path);
            Assert.NotEmpty(model.Architecture);
            long bytes = model.Tensors.Values.Sum(tensor => tensor.Data.Span().Length);
            Assert.InRange(bytes, 0, model.Length);
        }
    }

    [Fact]
    public void Reads_what_a_known_model_says()
    {
        using ModelFile model = ModelFile.Open(SharedFiles.Shared("models", "stories260K-f32.gguf"));
        Assert.Equal("llama", model.Architecture);
        Assert.Equal(5, model.Metadata.GetInt32("llama.block_count"));
        Assert.Equal(64u, model.Metadata.GetUInt32("llama.embedding_length"));
        Assert.Equal(1e-5f, model.Metadata.GetFloat("llama.attention.layer_norm_rms_epsilon"));
        StringArray tokens = model.Metadata.GetStringArray("tokenizer.ggml.tokens");
        Assert.Equal(512, tokens.Count);
        Assert.Equal(["<unk>", "<s>", "</s>", "<0x00>"], tokens.Take(4).Select(token => token.Trim('\n')));
        Assert.Equal([64, 512], model.Tensor("token_embd.weight").Shape);
        Assert.Equal(TensorType.F32, model.Tensor("token_embd.weight").Type);
        Assert.Equal(64 * 512 * 4, model.Tensor("token_embd.weight").Data.Length);
        Assert.DoesNotContain("token_embd.weight", model.UnreadTensors);
        Assert.Contains("output_norm.weight", model.UnreadTensors);
    }

    [Theory]
    [InlineData(2u)]
    [InlineData(3u)]
    public void Reads_versions_2_and_3(uint version)
    {
        var (metadata, tensors) = new RawGguf(version, tensors: 1, keys: 1).Key("answer", MetadataType.UInt8).U8(42)
            .Tensor("t", 0, 0, 2, 3).Data(24).Read();
        Assert.Equal(42, metadata.GetInt32("answer"));
        Assert.Equal([2, 3], tensors["t"].Shape);
        Assert.Equal(24, tensors["t"].Data.Length);
        Assert.Equal("t F32 [2, 3]", tensors["t"].ToString());
    }

    [Fact]
    public void Alignment_moves_the_data()
    {
        var (_, tensors) = new RawGguf(3, tensors: 1, keys: 1).Key("general.alignment", MetadataType.UInt32).U32(256)
            .Tensor("t", 0, 0, 1).Data(512).Read();
        Assert.Equal(256, tensors["t"].Data.Offset);
    }

    public static TheoryData<string, RawGgufCase> Damaged => new()
    {
        { "no GGUF file", new(() => new RawGguf(magic: "GGML")) },
        { "count 1152921504606846976 is more", new(() => new RawGguf(tensors: 1ul << 60)) },
        { "count 1152921504606846976 is more", new(() => new RawGguf(keys: 1ul << 60)) },
        { "count 18446744073709551615 is more", new(() => new RawGguf(keys: ulong.MaxValue)) },
        { "'number 0': a string of 1099511627776 bytes", new(() => new RawGguf(keys: 1).U64(1ul << 40).Data(64)) },
        { "'number 0': a string of 18446744073709551615 bytes", new(() => new RawGguf(keys: 1).U64(ulong.MaxValue).Data(64)) },
        { "'k': metadata values of type 13", new(() => new RawGguf(keys: 1).Key("k", (MetadataType)13).Data(8)) },
        { "'k': metadata values of type 99", new(() => new RawGguf(keys: 1).Key("k", MetadataType.Array).U32(99).U64(0).Data(8)) },
        { "'k': the count 4611686018427387904 is more", new(() => new RawGguf(keys: 1).Key("k", MetadataType.Array)
            .U32((uint)MetadataType.UInt64).U64(1ul << 62).Data(64)) },
        { "'k': a string of 1000 bytes", new(() => new RawGguf(keys: 1).Key("k", MetadataType.Array)
            .U32((uint)MetadataType.String).U64(2).Text("x").U64(1000).Data(64)) },
        { "'k': the file ends", new(() => new RawGguf(keys: 1).Text("k").U32((uint)MetadataType.UInt64).U32(1)) },
        { "'k' occurs twice", new(() => new RawGguf(keys: 2).Key("k", MetadataType.Bool).U8(1).Key("k", MetadataType.Bool).U8(1)) },
        { "'k': arrays nest deeper", new(() => Nested(100_000)) },
        { "'general.alignment' is 24", new(() => new RawGguf(keys: 1).Key("general.alignment", MetadataType.UInt32).U32(24)) },
        { "'general.alignment' is 0", new(() => new RawGguf(keys: 1).Key("general.alignment", MetadataType.UInt32).U32(0)) },
        { "'general.alignment' is of type String", new(() =>
            new RawGguf(keys: 1).Key("general.alignment", MetadataType.String).Text("32")) },
        { "'t': it has 5 dimensions", new(() => new RawGguf(tensors: 1).Tensor("t", 0, 0, 1, 1, 1, 1, 1).Data(32)) },
        { "'t' has the impossible dimension 0", new(() => new RawGguf(tensors: 1).Tensor("t", 0, 0, 0).Data(32)) },
        { "'t' has the impossible dimension -1", new(() => new RawGguf(tensors: 1).Tensor("t", 0, 0, ulong.MaxValue).Data(32)) },
        { "'t' is impossibly large", new(() => new RawGguf(tensors: 1).Tensor("t", 0, 0, 1ul << 40, 1ul << 40).Data(32)) },
        { "'t' has rows of 33", new(() => new RawGguf(tensors: 1).Tensor("t", 8, 0, 33).Data(64)) },
        { "'t': its offset 4 is not a multiple", new(() => new RawGguf(tensors: 1).Tensor("t", 0, 4, 1).Data(64)) },
        { "'t': its 4 bytes at offset 64 go past", new(() => new RawGguf(tensors: 1).Tensor("t", 0, 64, 1).Data(64)) },
        { "'t': its 68 bytes at offset 0 go past", new(() => new RawGguf(tensors: 1).Tensor("t", 0, 0, 17).Data(64)) },
        { "'t': its 4 bytes at offset 18446744073709551584 go past", new(() =>
            new RawGguf(tensors: 1).Tensor("t", 0, unchecked((ulong)-32), 1).Data(64)) },
        { "'t': it occurs twice", new(() => new RawGguf(tensors: 2).Tensor("t", 0, 0, 1).Tensor("t", 0, 32, 1).Data(64)) },
        { "'a' and 'b' overlap", new(() => new RawGguf(tensors: 2).Tensor("b", 0, 32, 1).Tensor("a", 0, 0, 9).Data(64)) },
    };

    [Theory]
    [MemberData(nameof(Damaged))]
    public void Damaged_files_are_refused_by_name(string message, RawGgufCase file)
    {
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => file.Make().Read());
        Assert.Contains("raw.gguf", error.Message);
        Assert.Contains(message, error.Message);
    }

    [Theory]
    [InlineData(4u, "removed")]
    [InlineData(31u, "removed")]
    [InlineData(140u, "ik_llama.cpp")]
    [InlineData(337u, "ik_llama.cpp")]
    [InlineData(1000u, "does not know")]
    public void Unknown_tensor_types_are_named(uint type, string message)
    {
        RawGguf file = new RawGguf(tensors: 1).Tensor("t", type, 0, 256).Data(1024);
        NotSupportedException error = Assert.Throws<NotSupportedException>(() => file.Read());
        Assert.Contains($"raw.gguf: tensor 't' has type {type}", error.Message);
        Assert.Contains(message, error.Message);
    }

    [Theory]
    [InlineData(0x03000000u, "big-endian")]
    [InlineData(1u, "version 1 ")]
    [InlineData(4u, "version 4 ")]
    public void Other_versions_are_named(uint version, string message)
    {
        NotSupportedException error = Assert.Throws<NotSupportedException>(() => new RawGguf(version).Read());
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void Every_truncation_is_refused()
    {
        byte[] file = new RawGguf(tensors: 1, keys: 2).Key("a", MetadataType.Array).U32((uint)MetadataType.String).U64(2)
            .Text("x").Text("yz").Key("b", MetadataType.Float64).U64(0).Tensor("t", 0, 0, 4, 2).Data(32).ToArray();
        RawGguf.Read(file);
        for (int length = 0; length < file.Length; length++)
            Assert.Throws<InvalidDataException>(() => RawGguf.Read(file.AsSpan(0, length)));
    }

    [Fact]
    public void Paths_without_a_model_are_refused()
    {
        using TemporaryFolder folder = new();
        Assert.Throws<FileNotFoundException>(() => ModelFile.Open(folder["absent.gguf"]));
        Assert.Contains("no model in it", Assert.Throws<InvalidDataException>(() => ModelFile.Open(folder.Path)).Message);
        Assert.Throws<InvalidDataException>(() => ModelFile.Open(folder.Write("empty.gguf", "")));
        Assert.Throws<NotSupportedException>(() => ModelFile.Open(folder.Write("notes.txt", "hello")));
        Assert.Throws<InvalidDataException>(() => ModelFile.Open(folder.Write("text.gguf", "hello")));
    }

    private static RawGguf Nested(int depth)
    {
        RawGguf file = new RawGguf(keys: 1).Key("k", MetadataType.Array);
        for (int i = 0; i < depth; i++)
            file.U32((uint)MetadataType.Array).U64(1);
        return file.U32((uint)MetadataType.UInt8).U64(1).U8(7);
    }

    /// <summary>Makes a file; a type of its own because theory data wants one.</summary>
    public sealed class RawGgufCase
    {
        internal RawGgufCase(Func<RawGguf> make) => Make = make;

        internal Func<RawGguf> Make { get; }
    }
}
