using Sluice.Tensors.Formats;
using Sluice.TestData;

namespace Sluice.Files;

public class GgufWriterTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void All_kinds_round_trip(int version)
    {
        Metadata metadata = new("test")
        {
            { "general.alignment", 64u }, { "u8", byte.MaxValue }, { "i8", sbyte.MinValue }, { "u16", ushort.MaxValue },
            { "i16", short.MinValue }, { "u32", uint.MaxValue }, { "i32", int.MinValue }, { "u64", ulong.MaxValue },
            { "i64", long.MinValue }, { "f32", float.Epsilon }, { "f64", double.Epsilon }, { "yes", true }, { "no", false },
            { "text", "ünï" }, { "empty", "" }, { "strings", new[] { "a", "", "ccc" } }, { "ints", new[] { 1, 2 } },
            { "none", Array.Empty<string>() }, { "nested", MetadataArray.Of([MetadataArray.Of([1f]), MetadataArray.Of(["q", "r"])]) },
        };
        byte[] odd = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        byte[] q8 = [.. Enumerable.Range(0, 68).Select(i => (byte)i)];

        using MemoryStream stream = new();
        using (GgufWriter writer = new(stream, metadata, version))
        {
            writer.Declare("odd", TensorType.F32, 3);
            writer.Declare("q8", TensorType.Q8_0, 32, 2);
            writer.Write("odd", odd.AsSpan(0, 5));
            writer.Write("odd", odd.AsSpan(5));
            writer.Write("q8", q8);
            writer.Finish();
        }

        byte[] file = stream.ToArray();
        Assert.Equal(version, file[4]);
        var (read, tensors) = RawGguf.Read(file);
        Assert.Equal(metadata.Select(pair => (pair.Key, pair.Value.Type, pair.Value.ToString())),
            read.Select(pair => (pair.Key, pair.Value.Type, pair.Value.ToString())));
        Assert.Equal(float.Epsilon, read.GetFloat("f32"));
        Assert.Equal(["q", "r"], new StringArray(read.GetArray("nested").Arrays()[1]));
        Assert.Equal(["odd", "q8"], tensors.Keys);
        Assert.Equal(odd, tensors["odd"].Data.Span());
        Assert.Equal(q8, tensors["q8"].Data.Span());
        Assert.Equal([32, 2], tensors["q8"].Shape);
        Assert.All(tensors.Values, tensor => Assert.Equal(0, tensor.Data.Offset % 64));
    }

    [Fact]
    public void Copies_of_files_that_others_wrote_are_identical()
    {
        using TemporaryFolder folder = new();
        foreach (string name in (string[])["golden/models/llama-moe.gguf", "models/stories260K-w256-hd64-Q4_K_M.gguf", "golden/tokenizers/qwen2.gguf"])
        {
            string path = SharedFiles.Shared(name.Split('/'));
            using ModelFile model = ModelFile.Open(path);
            GgufWriter.Write(folder["copy.gguf"], model.Metadata, [.. model.Tensors.Values]);
            Assert.True(File.ReadAllBytes(path).AsSpan().SequenceEqual(File.ReadAllBytes(folder["copy.gguf"])), name);
        }
    }

    [Fact]
    public void Mistakes_throw_and_leave_no_file()
    {
        using TemporaryFolder folder = new();
        string path = folder["m.gguf"];
        using (GgufWriter writer = GgufWriter.Create(path, new("test")))
        {
            writer.Declare("a", TensorType.F32, 2);
            Assert.Throws<InvalidDataException>(() => writer.Declare("a", TensorType.F32, 2));
            Assert.Throws<InvalidDataException>(() => writer.Declare("b", TensorType.Q8_0, 33));
            Assert.Throws<InvalidDataException>(() => writer.Declare("b", TensorType.F32, 1, 1, 1, 1, 1));
            Assert.Throws<InvalidOperationException>(() => writer.Write("b", new byte[4]));
            Assert.Throws<InvalidOperationException>(() => writer.Write("a", new byte[9]));
            writer.Write("a", new byte[4]);
            Assert.Throws<InvalidOperationException>(() => writer.Declare("b", TensorType.F32, 2));
            Assert.Throws<InvalidOperationException>(writer.Finish);
        }
        Assert.Empty(Directory.GetFiles(folder.Path));
        Assert.Throws<InvalidDataException>(() => new GgufWriter(Stream.Null, new("test") { { "general.alignment", 3u } }));
        Assert.Throws<ArgumentOutOfRangeException>(() => new GgufWriter(Stream.Null, new("test"), 1));
    }
}
