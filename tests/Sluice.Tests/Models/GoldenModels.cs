using System.Runtime.InteropServices;
using System.Text.Json;
using Sluice.TestData;

namespace Sluice.Tests.Models;

/// <summary>A model of ../shared/golden/models with the logits of an independent engine.</summary>
public sealed record GoldenModel(string Name, int[] Tokens, int Vocabulary, double Limit)
{
    public static IReadOnlyList<GoldenModel> All { get; } = Read();

    /// <summary>The model of a name; skips the calling test where there are none.</summary>
    public static GoldenModel Get(string name)
    {
        _ = SharedFiles.Shared("golden", "models");
        return All.Single(golden => golden.Name == name);
    }

    public string Path => SharedFiles.Shared("golden", "models", Name + ".gguf");

    /// <summary>The expected logits [tokens, vocabulary].</summary>
    public float[] Logits() =>
        MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(SharedFiles.Shared("golden", "models", Name + ".logits.f32"))).ToArray();

    /// <summary>The squared error over the squared length of what is expected.</summary>
    public static double Nmse(ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        double error = 0, length = 0;
        for (int i = 0; i < actual.Length; i++)
        {
            error += ((double)actual[i] - expected[i]) * ((double)actual[i] - expected[i]);
            length += (double)expected[i] * expected[i];
        }
        return error / length;
    }

    private static List<GoldenModel> Read()
    {
        string folder = Environment.GetEnvironmentVariable("SLUICE_SHARED") ?? System.IO.Path.Combine(SharedFiles.Root, "..", "shared");
        string index = System.IO.Path.Combine(folder, "golden", "models", "index.json");
        if (!File.Exists(index))
            return [];
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(index));
        return [.. json.RootElement.EnumerateArray().Select(entry => new GoldenModel(
            entry.GetProperty("name").GetString()!,
            [.. entry.GetProperty("tokens").EnumerateArray().Select(token => token.GetInt32())],
            entry.GetProperty("vocab").GetInt32(),
            entry.GetProperty("nmseLimit").GetDouble()))];
    }
}
