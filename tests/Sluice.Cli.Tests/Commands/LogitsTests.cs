using System.Runtime.InteropServices;

namespace Sluice.Cli.Tests.Commands;

public class LogitsTests
{
    [Fact]
    public void Writes_what_an_independent_engine_computed()
    {
        using TemporaryFolder folder = new();
        (int[] tokens, double limit) = TestModel.Golden();
        string path = folder.File("logits.f32");
        SluiceProcess.Result result = SluiceProcess.Run("logits", "--model", TestModel.Path, "--tokens", string.Join(',', tokens), "--out", path).Succeeded();
        Assert.Equal("", result.Output);
        float[] actual = Read(path), expected = Read(TestModel.Logits);
        Assert.Equal(tokens.Length * TestModel.Vocabulary, actual.Length);
        double error = actual.Zip(expected, (a, e) => (double)(a - e) * (a - e)).Sum() / expected.Sum(e => (double)e * e);
        Assert.InRange(error, 0, limit);
        Assert.Equal([path], Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Refuses_tokens_that_are_none()
    {
        using TemporaryFolder folder = new();
        SluiceProcess.Run("logits", "--model", TestModel.Path, "--tokens", "1,512", "--out", folder.File("x.f32")).Failed(1, "512");
        SluiceProcess.Run("logits", "--model", TestModel.Path, "--context", "2", "--tokens", "1,2,3", "--out", folder.File("x.f32")).Failed(1, "context");
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    private static float[] Read(string path) => MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(path)).ToArray();
}
