using System.Text.Json;

namespace Sluice.Cli.Tests.Commands;

/// <summary><c>sluice quantize</c> where it is to find the types: --target-bpw, --target-size, --max-kl.</summary>
public class QuantizeMixedTests
{
    private static readonly string[] Calibration = ["--calibration-context", "32", "--calibration-tokens", "128", "--kl-tokens", "64", "--calibration"];

    [Fact]
    public void Bits_per_weight_are_kept_and_shown_with_a_table_of_tensors_the_frontier_and_a_plot()
    {
        using TemporaryFolder folder = new();
        string output = folder.File("out.gguf"), plot = folder.File("f.svg");
        string[] args = ["quantize", TestModel.Path, output, "--target-bpw", "6", "--plot", plot, .. Calibration, Text(folder)];
        SluiceProcess.Result said = SluiceProcess.Run(args).Succeeded();
        foreach (string part in (string[])["token_embd.weight", "KL alone", "predicted KL", "chosen", "held-out tokens", "bits per weight", output])
            Assert.Contains(part, said.Output);
        Assert.Contains("<svg", File.ReadAllText(plot));
        using JsonDocument json = JsonDocument.Parse(SluiceProcess.Run([.. args, "--json"]).Succeeded().Output);
        JsonElement mixed = json.RootElement.GetProperty("mixed");
        double bits = json.RootElement.GetProperty("bitsPerWeight").GetDouble();
        Assert.InRange(bits, 5.5, 6);
        Assert.True(mixed.GetProperty("measured").GetDouble() > 0);
        JsonElement[] frontier = [.. mixed.GetProperty("frontier").EnumerateArray()];
        Assert.Equal(bits, Assert.Single(frontier, point => point.GetProperty("isChosen").GetBoolean()).GetProperty("bitsPerWeight").GetDouble(), 1e-9);
        for (int i = 1; i < frontier.Length; i++)
        {
            Assert.True(frontier[i].GetProperty("bytes").GetInt64() > frontier[i - 1].GetProperty("bytes").GetInt64());
            Assert.True(frontier[i].GetProperty("divergence").GetDouble() < frontier[i - 1].GetProperty("divergence").GetDouble());
        }
        SluiceProcess.Run("run", "hello", "--model", output, "--max-tokens", "2", "--temperature", "0").Succeeded();
    }

    [Fact]
    public void A_file_is_no_larger_than_asked_and_a_dry_run_writes_none()
    {
        using TemporaryFolder folder = new();
        string output = folder.File("out.gguf"), text = Text(folder);
        const int Size = 300_000;
        string[] goal = ["--target-size", $"{Size}", "--types", "q4_0,Q5_1,q8_0", "--sensitivity", "kl", .. Calibration, text];
        SluiceProcess.Run(["quantize", TestModel.Path, output, .. goal]).Succeeded();
        Assert.InRange(new FileInfo(output).Length, 0.95 * Size, Size);
        File.Delete(output);
        string said = SluiceProcess.Run(["quantize", TestModel.Path, "--dry-run", .. goal]).Succeeded().Output;
        Assert.Contains("an estimate: nothing was measured", said);
        Assert.Equal([text], Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void A_largest_divergence_is_measured()
    {
        using TemporaryFolder folder = new();
        string output = folder.File("out.gguf"), text = Text(folder);
        string[] args = ["quantize", TestModel.Path, output, "--json", .. Calibration, text, "--max-kl"];
        using JsonDocument json = JsonDocument.Parse(SluiceProcess.Run([.. args, "0.05"]).Succeeded().Output);
        Assert.InRange(json.RootElement.GetProperty("mixed").GetProperty("measured").GetDouble(), 0, 0.05);
        Assert.Equal([output, text], Directory.GetFiles(folder.Path).Order());
        File.Delete(output);
        SluiceProcess.Run([.. args, "0.001"]).Failed(1, "No model of these types");
        Assert.Equal([text], Directory.GetFiles(folder.Path));
    }

    [Theory]
    [InlineData("by one of --type, --target-bpw")]
    [InlineData("--type and --target-bpw exclude each other", "--type", "Q4_0", "--target-bpw", "4")]
    [InlineData("--target-bpw and --max-kl exclude each other", "--max-kl", "0.1", "--target-bpw", "4", "--calibration", "x")]
    [InlineData("--calibration", "--target-bpw", "4")]
    [InlineData("0.5 to 32", "--target-bpw", "99", "--calibration", "x")]
    [InlineData("--max-kl takes", "--max-kl", "0", "--calibration", "x")]
    [InlineData("such as 512M", "--target-size", "small", "--calibration", "x")]
    [InlineData("types separated by commas", "--target-bpw", "4", "--types", "Q4_0,Q9", "--calibration", "x")]
    [InlineData("fast, kl", "--target-bpw", "4", "--sensitivity", "slow", "--calibration", "x")]
    [InlineData("--types is of no use to --type", "--type", "Q4_0", "--types", "Q4_0")]
    [InlineData("--plot is of no use to --type", "--type", "Q4_0", "--plot", "x.svg")]
    [InlineData("ends in .svg", "--target-bpw", "4", "--plot", "x.png", "--calibration", "x")]
    [InlineData("--pure", "--target-bpw", "4", "--pure", "--calibration", "x")]
    [InlineData("--bits", "--target-bpw", "4", "--bits", "4", "--calibration", "x")]
    [InlineData("smoothquant", "--target-bpw", "4", "--method", "smoothquant", "--calibration", "x")]
    [InlineData("--rotate", "--target-bpw", "4", "--rotate", "--dry-run", "--calibration", "x")]
    public void Options_that_do_not_go_together_are_wrong_usage(string said, params string[] options)
    {
        using TemporaryFolder folder = new();
        SluiceProcess.Run(["quantize", TestModel.Path, folder.File("out.gguf"), .. options]).Failed(2, said);
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void What_cannot_be_done_is_said_and_leaves_nothing_behind()
    {
        using TemporaryFolder folder = new();
        string output = folder.File("out.gguf"), text = Text(folder), small = folder.File("short.txt");
        File.WriteAllText(small, "Once upon a time.");
        SluiceProcess.Run(["quantize", TestModel.Path, output, "--target-bpw", "2", .. Calibration, text]).Failed(1, "too few");
        SluiceProcess.Run(["quantize", TestModel.Path, output, "--target-size", "10K", .. Calibration, text]).Failed(1, "too few");
        SluiceProcess.Run(["quantize", TestModel.Path, output, "--target-bpw", "6", .. Calibration, small]).Failed(1, "less than a chunk of 32");
        SluiceProcess.Run(["quantize", TestModel.Path, output, "--target-bpw", "6", "--method", "gptq", "--types", "IQ2_XS", .. Calibration, text]).Failed(2, "cannot write IQ2_XS");
        Assert.Equal([small, text], Directory.GetFiles(folder.Path).Order());
    }

    private static string Text(TemporaryFolder folder)
    {
        string text = folder.File("text.txt");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 60).Select(i => $"Line {i} of a text. ")));
        return text;
    }
}
