using System.Text;
using System.Text.Json;
using Sluice.TestData;

namespace Sluice.Cli.Tests;

/// <summary>A tiny model of random weights with a vocabulary of 512 (golden/models, made for this project).</summary>
internal static class TestModel
{
    public const int Vocabulary = 512, Context = 512;

    public static string Path { get; } = SharedFiles.Data("models", "llama-gqa.gguf");

    public static string Logits { get; } = SharedFiles.Data("models", "llama-gqa.logits.f32");

    /// <summary>The tokens that the logits are of, and their limit of error.</summary>
    public static (int[] Tokens, double Limit) Golden()
    {
        using JsonDocument index = JsonDocument.Parse(File.ReadAllText(SharedFiles.Data("models", "index.json")));
        JsonElement entry = index.RootElement[0];
        return ([.. entry.GetProperty("tokens").EnumerateArray().Select(token => token.GetInt32())], entry.GetProperty("nmseLimit").GetDouble());
    }

    /// <summary>A copy with a name or value in its header changed to another of the same length.</summary>
    public static void WriteChanged(string path, string from, string to)
    {
        byte[] bytes = File.ReadAllBytes(Path), old = Encoding.UTF8.GetBytes(from), changed = Encoding.UTF8.GetBytes(to);
        Assert.Equal(old.Length, changed.Length);
        int at = bytes.AsSpan().IndexOf(old);
        Assert.True(at > 0);
        changed.CopyTo(bytes, at);
        File.WriteAllBytes(path, bytes);
    }
}

/// <summary>A folder that goes away with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("sluice-test-");

    public string Path => _folder.FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => _folder.Delete(recursive: true);
}
