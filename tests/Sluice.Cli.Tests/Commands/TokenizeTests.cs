using System.Text.Json;
using Sluice.Files;
using Sluice.TestData;
using Sluice.Tokenizers;

namespace Sluice.Cli.Tests.Commands;

public class TokenizeTests
{
    private const string Text = "Hello, wörld\n";

    [Fact]
    public void Writes_ids_on_one_line()
    {
        using ModelFile file = ModelFile.Open(TestModel.Path);
        Tokenizer tokenizer = Tokenizer.FromModel(file);
        int[] expected = tokenizer.Encode(Text), bare = tokenizer.Encode(Text, addSpecial: false);
        Assert.Equal(string.Join(' ', expected), Run(Text).Output.TrimEnd('\n'));
        Assert.Equal(string.Join(' ', bare), Run("--no-bos", Text).Output.TrimEnd('\n'));

        using JsonDocument json = JsonDocument.Parse(Run("--json", "--pieces", Text).Output);
        Assert.Equal(expected, json.RootElement.GetProperty("tokens").EnumerateArray().Select(id => id.GetInt32()));
        Assert.Equal(expected.Length, json.RootElement.GetProperty("pieces").GetArrayLength());

        string[] lines = Run("--pieces", "--no-bos", Text).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(bare, lines.Select(line => int.Parse(line.Split('\t')[0])));
    }

    [Fact]
    public void Reads_a_file_whole()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("text.txt"), Text);
        Assert.Equal(Run(Text).Output, Run("--file", folder.File("text.txt")).Output);
    }

    [Fact]
    public void Agrees_with_what_is_known()
    {
        string model = SharedFiles.Shared("models", "stories260K-f32.gguf");
        Assert.Equal("1 403 407 261 378\n", SluiceProcess.Run("tokenize", "-m", model, "Once upon a time").Succeeded().Output.ReplaceLineEndings("\n"));
    }

    private static SluiceProcess.Result Run(params string[] args) =>
        SluiceProcess.Run(["tokenize", "--model", TestModel.Path, .. args]).Succeeded();
}
