using Sluice.Tensors.Formats;

namespace Sluice.Files;

public class GgufSplitTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Any_part_opens_all(int part)
    {
        using TemporaryFolder folder = new();
        WriteParts(folder);
        using ModelFile model = ModelFile.Open(folder[$"m-0000{part}-of-00003.gguf"]);
        Assert.Equal("llama", model.Architecture);
        Assert.Equal(["t0", "t1", "t2"], model.Tensors.Keys);
        Assert.Equal<byte>([2, 0, 0, 0], model.Tensor("t2").Data.Span().ToArray());
        Assert.Equal(["general.name"], model.Metadata.UnreadKeys);
    }

    [Fact]
    public void Inconsistent_parts_are_refused()
    {
        Expect("m-00002-of-00003.gguf", "is missing", folder => File.Delete(folder["m-00002-of-00003.gguf"]));
        Expect("m-00002-of-00003.gguf", "'split.no' is 2", folder =>
            File.Copy(folder["m-00003-of-00003.gguf"], folder["m-00002-of-00003.gguf"], overwrite: true));
        Expect("m-00002-of-00003.gguf", "'split.count' is 4", folder => WritePart(folder, 1, count: 4));
        Expect("m-00001-of-00003.gguf", "'split.tensors.count' is 9", folder => WritePart(folder, 0, tensors: 9));
        Expect("m-00003-of-00003.gguf", "'t1' is in an earlier part", folder => WritePart(folder, 2, tensor: "t1"));
        Expect("m-00003-of-00003.gguf", "'other' is in this part but not", folder => WritePart(folder, 2, extra: "other"));
    }

    [Fact]
    public void A_part_needs_its_name()
    {
        using TemporaryFolder folder = new();
        WriteParts(folder);
        File.Move(folder["m-00001-of-00003.gguf"], folder["renamed.gguf"]);
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => ModelFile.Open(folder["renamed.gguf"]));
        Assert.Contains("not named like a part", error.Message);
    }

    private static void Expect(string file, string message, Action<TemporaryFolder> damage)
    {
        using TemporaryFolder folder = new();
        WriteParts(folder);
        damage(folder);
        Exception error = Assert.ThrowsAny<Exception>(() => ModelFile.Open(folder["m-00001-of-00003.gguf"]));
        Assert.True(error is InvalidDataException or FileNotFoundException, error.ToString());
        Assert.Contains(file, error.Message);
        Assert.Contains(message, error.Message);
    }

    private static void WriteParts(TemporaryFolder folder)
    {
        for (int part = 0; part < 3; part++)
            WritePart(folder, part);
    }

    private static void WritePart(
        TemporaryFolder folder, int part, ushort count = 3, int tensors = 3, string? tensor = null, string? extra = null)
    {
        Metadata metadata = new("part");
        if (part == 0)
        {
            metadata.Add("general.architecture", "llama");
            metadata.Add("general.name", "parts");
        }
        metadata.Add("split.no", (ushort)part);
        metadata.Add("split.count", count);
        metadata.Add("split.tensors.count", tensors);
        if (extra is not null)
            metadata.Add(extra, true);
        using GgufWriter writer = GgufWriter.Create(folder[$"m-0000{part + 1}-of-00003.gguf"], metadata);
        tensor ??= $"t{part}";
        writer.Declare(tensor, TensorType.F32, 1);
        writer.Write(tensor, [(byte)part, 0, 0, 0]);
        writer.Finish();
    }
}
