using System.Text;
using Sluice.Files;
using Sluice.TestData;

namespace Sluice.Tokenizers;

/// <summary>Real vocabularies, and the tokens that the tokenizers they come from give to some texts.</summary>
public class GoldenTests
{
    // More of them, in the same format, by their folder.
    private static readonly string? More = Environment.GetEnvironmentVariable("SLUICE_VOCABULARIES");

    [Theory]
    [InlineData("bert-bge")]
    [InlineData("deepseek-llm")]
    [InlineData("falcon")]
    [InlineData("gpt-2")]
    [InlineData("llama-spm")]
    [InlineData("phi-3")]
    [InlineData("qwen2")]
    public void Tokens_agree(string name)
    {
        string path = Path.Combine(SharedFiles.Shared("golden", "tokenizers"), name);
        Check(Load(path + ".gguf"), path + ".inp", path + ".out");
    }

    [Fact]
    public void Tokens_of_other_vocabularies_agree()
    {
        Assert.SkipWhen(More is null, "SLUICE_VOCABULARIES names no folder of further vocabularies");
        foreach (string path in Directory.GetFiles(More!, "*.gguf").Where(file => new FileInfo(file).Length > 0))
        {
            if (File.Exists(path + ".inp"))
                Check(Load(path), path + ".inp", path + ".out");
        }
    }

    private static Tokenizer Load(string path)
    {
        using ModelFile model = ModelFile.Open(path);
        return Tokenizer.FromModel(model);
    }

    internal static void Check(Tokenizer tokenizer, string input, string output)
    {
        string[] texts = File.ReadAllText(input, Encoding.UTF8).Split("\n__ggml_vocab_test__\n");
        string[] lines = File.ReadAllText(output).TrimEnd('\n').Split('\n');
        // Files may end in an empty text.
        Assert.InRange(texts.Length, lines.Length, lines.Length + 1);
        List<string> failures = [];
        for (int i = 0; i < lines.Length; i++)
        {
            string expected = string.Join(' ', lines[i].Split(' ', StringSplitOptions.RemoveEmptyEntries));
            string actual = string.Join(' ', tokenizer.Encode(texts[i], addSpecial: false));
            if (expected != actual)
                failures.Add($"{Path.GetFileName(input)} {i}: '{texts[i]}'\n  expected {expected}\n  actual   {actual}");
        }
        Assert.True(failures.Count == 0, string.Join('\n', failures));
    }
}
