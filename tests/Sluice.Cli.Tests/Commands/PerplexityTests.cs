using System.Text.Json;
using Sluice.TestData;

namespace Sluice.Cli.Tests.Commands;

public class PerplexityTests
{
    [Fact]
    public void Says_it_in_words_and_in_json()
    {
        using TemporaryFolder folder = new();
        string text = folder.File("text.txt");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 40).Select(i => $"Line {i} of a text. ")));
        string[] args = ["perplexity", "--model", TestModel.Path, "--text", text, "--chunks", "3", "--context", "32"];
        SluiceProcess.Result said = SluiceProcess.Run(args).Succeeded();
        Assert.Matches(@"^perplexity \d+\.\d{4} \+/- \d+\.\d{4} \(3 chunks of 32 tokens\)\n$", said.Output.ReplaceLineEndings("\n"));
        Assert.Matches(@"\[1\]\d+\.\d{4},\[2\]\d+\.\d{4},\[3\]", said.Error);

        using JsonDocument json = JsonDocument.Parse(SluiceProcess.Run([.. args, "--json"]).Succeeded().Output);
        double perplexity = json.RootElement.GetProperty("perplexity").GetDouble();
        Assert.Contains(perplexity.ToString("0.0000"), said.Output);
        Assert.InRange(perplexity, 50, 50_000); // random weights: about as many as there are tokens
        Assert.Equal(3 * 15, json.RootElement.GetProperty("tokens").GetInt64());

        SluiceProcess.Run("perplexity", "--model", TestModel.Path, "--text", text, "--context", "510", "--chunks", "1").Succeeded();
        File.WriteAllText(text, "short");
        SluiceProcess.Run(args).Failed(1, "chunk");
    }

    [Fact]
    public void Interrupted_it_ends_its_line()
    {
        using TemporaryFolder folder = new();
        string text = folder.File("text.txt");
        File.WriteAllText(text, string.Concat(Enumerable.Repeat("Once upon a time there was a dog. ", 50_000)));
        string said = SluiceProcess.Interrupt(["perplexity", "--model", TestModel.Path, "--text", text, "--context", "64"], afterError: true).Error;
        Assert.Matches(@"^\[1\]\d+\.\d{4}(,\[\d+\]\d+\.\d{4})*\n", said.ReplaceLineEndings("\n"));
        Assert.EndsWith("\n", said);
    }

    [Fact]
    public void Agrees_with_llama_cpp_on_stories260K()
    {
        string model = SharedFiles.Shared("models", "stories260K-f32.gguf"), text = SharedFiles.Shared("corpora", "tinystories-sample.txt");
        using JsonDocument json = JsonDocument.Parse(
            SluiceProcess.Run("perplexity", "--model", model, "--text", text, "--chunks", "10", "--json").Succeeded().Output);
        Assert.Equal(3.7501, json.RootElement.GetProperty("perplexity").GetDouble(), 0.01);
    }
}
