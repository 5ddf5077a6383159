using System.Text.Json;
using Sluice.TestData;

namespace Sluice.Cli.Tests.Commands;

public class CompareTests
{
    // Not a field: where the folder is absent this skips the test that asks.
    private static string Text => SharedFiles.Shared("corpora", "tinystories-sample.txt");

    private static string Model(string type) => SharedFiles.Shared("models", $"stories260K-w256-hd64-{type}.gguf");

    [Fact]
    public void Shows_size_speed_and_quality_in_one_table_and_a_plot()
    {
        using TemporaryFolder folder = new();
        string plot = folder.File("sizes.svg");
        string[] args =
        [
            "compare", Model("Q8_0"), Model("Q2_K"), "--reference", Model("f32"), "--text", Text, "--chunks", "2", "--context", "64",
            "-p", "8", "-n", "2", "-r", "1",
        ];
        using JsonDocument json = JsonDocument.Parse(SluiceProcess.Run([.. args, "--plot", plot, "--json"]).Succeeded().Output);
        JsonElement eight = json.RootElement[0], two = json.RootElement[1];
        Assert.True(eight.GetProperty("bytes").GetInt64() > two.GetProperty("bytes").GetInt64());
        Assert.InRange(eight.GetProperty("bitsPerWeight").GetDouble(), 8.4, 9);
        Assert.True(two.GetProperty("decodeSpeed").GetDouble() > 0 && two.GetProperty("promptSpeed").GetDouble() > 0);
        double Mean(JsonElement row) => row.GetProperty("quality").GetProperty("divergence").GetProperty("mean").GetDouble();
        Assert.True(Mean(two) > 20 * Mean(eight));
        string drawn = File.ReadAllText(plot);
        Assert.Contains("<svg", drawn);
        Assert.Contains("Q2_K.gguf", drawn);

        string table = SluiceProcess.Run(args).Succeeded().Output;
        foreach (string column in (string[])["size", "bits/weight", "pp8/s", "tg2/s", "perplexity", "KL mean", "KL 99%", "same top"])
            Assert.Contains(column, table);
    }

    [Fact]
    public void Works_without_a_text_and_refuses_what_needs_one()
    {
        string table = SluiceProcess.Run("compare", TestModel.Path, "-p", "8", "-n", "2", "-r", "1").Succeeded().Output;
        Assert.Contains("llama-gqa.gguf", table);
        Assert.DoesNotContain("perplexity", table);
        SluiceProcess.Run("compare", TestModel.Path, "--reference", TestModel.Path).Failed(2, "--reference needs a --text");
        SluiceProcess.Run("compare", TestModel.Path, "--chunks", "2").Failed(2, "--chunks needs a --text");
        SluiceProcess.Run("compare", TestModel.Path, "--text", "story.txt", "--plot", "x.png").Failed(2, ".svg");
        SluiceProcess.Run("compare").Failed(2, "models");
    }

    /// <summary>The first would be measured for hours.</summary>
    [Fact]
    public void A_missing_model_is_found_before_the_first_is_measured() =>
        SluiceProcess.Run("compare", TestModel.Path, "none.gguf", "-r", "1000000").Failed(1, "none.gguf");

    [Fact]
    public void Perplexity_tells_the_distance_from_a_reference()
    {
        string[] args = ["perplexity", "--model", Model("Q4_K_M"), "--reference", Model("f32"), "--text", Text, "--chunks", "2", "--context", "64"];
        string said = SluiceProcess.Run(args).Succeeded().Output;
        Assert.Matches(@"KL divergence: mean 0\.0\d+, median 0\.0\d+, 99% \d\.\d+, most \d\.\d+", said);
        Assert.Matches(@"same likeliest token: \d+\.\d\d\s?%", said);
        using JsonDocument json = JsonDocument.Parse(SluiceProcess.Run([.. args, "--json"]).Succeeded().Output);
        JsonElement divergence = json.RootElement.GetProperty("divergence");
        Assert.Equal(31, divergence.GetProperty("byPosition").GetArrayLength());
        Assert.InRange(divergence.GetProperty("topAgreement").GetDouble(), 0.7, 1);
        // A model of another vocabulary has other tokens.
        args[4] = TestModel.Path;
        SluiceProcess.Run(args).Failed(1, "vocabulary");
    }
}
