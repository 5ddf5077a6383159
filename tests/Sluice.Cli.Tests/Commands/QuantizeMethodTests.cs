using System.Text.Json;
using Sluice.TestData;

namespace Sluice.Cli.Tests;

/// <summary><c>sluice quantize --method</c> and <c>--rotate</c>, as users run them.</summary>
public class QuantizeMethodTests
{
    private static string Corpus => SharedFiles.Shared("corpora", "tinystories-sample.txt");

    private static string Model => SharedFiles.Shared("models", "stories260K-w256-hd64-f32.gguf");

    [Fact]
    public void Gptq_comes_within_the_goal()
    {
        using TemporaryFolder folder = new();
        string text = folder.File("calibration.txt"), output = folder.File("q4.gguf");
        File.WriteAllText(text, File.ReadAllText(Corpus)[1_000_000..]);
        SluiceProcess.Run("quantize", Model, output, "--type", "Q4_0", "--method", "gptq", "--calibration", text, "--calibration-tokens", "2048").Succeeded();
        Assert.True(Perplexity(output) < 3.90);
        Assert.Equal(["calibration.txt", "q4.gguf"], Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void A_rotated_model_says_the_same()
    {
        using TemporaryFolder folder = new();
        string output = folder.File("rotated.gguf");
        SluiceProcess.Run("quantize", Model, output, "--type", "F32", "--rotate").Succeeded();
        Assert.Equal(Perplexity(Model), Perplexity(output), 1e-3);
        Assert.Equal(["rotated.gguf"], Directory.GetFiles(folder.Path).Select(Path.GetFileName));
    }

    /// <summary>Calibrated on inputs as the rotated weights meet them.</summary>
    [Fact]
    public void A_model_that_rotates_as_it_runs_says_the_same()
    {
        using TemporaryFolder folder = new();
        string exact = folder.File("exact.gguf"), gptq = folder.File("q4.gguf"), text = folder.File("calibration.txt");
        SluiceProcess.Run("quantize", Model, exact, "--type", "F32", "--rotate-online").Succeeded();
        Assert.Equal(Perplexity(Model), Perplexity(exact), 1e-3);
        Assert.Contains("; inputs rotated", SluiceProcess.Run("inspect", exact).Succeeded().Output);
        Assert.DoesNotContain("; inputs rotated", SluiceProcess.Run("inspect", Model).Succeeded().Output);
        File.WriteAllText(text, File.ReadAllText(Corpus)[1_000_000..]);
        SluiceProcess.Run("quantize", Model, gptq, "--type", "Q4_0", "--method", "gptq", "--rotate-online", "--calibration", text, "--calibration-tokens", "2048").Succeeded();
        Assert.True(Perplexity(gptq) < 3.85);
        SluiceProcess.Run("quantize", exact, gptq, "--type", "F32", "--rotate").Failed(1, "already");
    }

    [Fact]
    public void Static_activations_are_written_shown_and_used()
    {
        using TemporaryFolder folder = new();
        string text = folder.File("text.txt"), output = folder.File("static.gguf");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 400).Select(i => $"The {i % 7} little words number {i} are here. ")));
        string[] options = ["--type", "Q8_0", "--calibration", text, "--calibration-context", "64", "--calibration-tokens", "256", "--static-activations"];
        SluiceProcess.Run(["quantize", TestModel.Path, output, "--method", "smoothquant", "--requantize", .. options]).Succeeded();
        string shown = SluiceProcess.Run("inspect", output, "--activations", "int8-static", "--json").Succeeded().Output;
        using (JsonDocument json = JsonDocument.Parse(shown))
        {
            Dictionary<string, JsonElement> tensors = json.RootElement.GetProperty("tensors").EnumerateArray().ToDictionary(tensor => tensor.GetProperty("name").GetString()!);
            Assert.True(tensors["blk.0.ffn_down.weight"].GetProperty("inputRange").GetSingle() > 0);
            Assert.Contains("int8 (one scale) activations", tensors["blk.0.ffn_down.weight"].GetProperty("kernel").GetString());
            Assert.False(tensors["output.weight"].TryGetProperty("inputRange", out _));
            Assert.Contains("int8 (one scale a token) activations", tensors["output.weight"].GetProperty("kernel").GetString());
        }
        Assert.Contains("; inputs up to ", SluiceProcess.Run("inspect", output).Succeeded().Output);
        Assert.NotEqual(Logits("int8-token"), Logits("int8-static"));
        Assert.NotEqual(Logits("fp8"), Logits("fp8-static"));
        SluiceProcess.Run("run", "--model", TestModel.Path, "--activations", "int8-static", "text").Failed(1, "--static-activations");

        byte[] Logits(string activations)
        {
            string path = folder.File("logits.f32");
            SluiceProcess.Run("logits", "--model", output, "--tokens", "1,5,9,13", "--out", path, "--activations", activations).Succeeded();
            return File.ReadAllBytes(path);
        }
    }

    [Theory]
    [InlineData("--static-activations needs a text", "--type", "Q8_0", "--static-activations")]
    [InlineData("--static-activations needs a --type", "--target-bpw", "8", "--calibration", "x.txt", "--static-activations")]
    [InlineData("--imatrix is of inputs that a rotation mixes", "--type", "Q4_0", "--rotate", "--imatrix", "x.gguf")]
    [InlineData("--calibration PATH", "--type", "Q4_0", "--method", "gptq")]
    [InlineData("rtn", "--type", "Q4_0", "--calibration", "x.txt")]
    [InlineData("gptq", "--type", "Q4_0", "--act-order")]
    [InlineData("--calibration-tokens is of no use without --calibration", "--type", "Q4_0", "--calibration-tokens", "64")]
    [InlineData("--calibration-context is of no use without --calibration", "--type", "Q4_0", "--calibration-context", "64")]
    [InlineData("--calibration-memory is of no use without --calibration", "--type", "Q4_0", "--calibration-memory", "64M")]
    [InlineData("--bits", "--type", "F16", "--symmetric")]
    [InlineData("2 to 8", "--type", "F16", "--bits", "9")]
    [InlineData("F16, BF16 or F32", "--type", "Q4_0", "--bits", "4")]
    [InlineData("rtn, gptq, awq, smoothquant", "--type", "Q4_0", "--method", "best")]
    public void Options_that_do_not_go_together_are_wrong_usage(string said, params string[] options)
    {
        using TemporaryFolder folder = new();
        SluiceProcess.Run(["quantize", TestModel.Path, folder.File("out.gguf"), .. options]).Failed(2, said);
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void A_short_text_and_a_missing_one_fail_and_leave_nothing_behind()
    {
        using TemporaryFolder folder = new();
        string text = folder.File("short.txt");
        File.WriteAllText(text, "Once upon a time.");
        string[] options = ["quantize", TestModel.Path, folder.File("out.gguf"), "--type", "Q8_0", "--method", "gptq", "--calibration"];
        SluiceProcess.Run([.. options, text]).Failed(1, "less than a chunk of 512");
        SluiceProcess.Run([.. options, folder.File("none.txt")]).Failed(1, "none.txt");
        Assert.Equal([text], Directory.GetFiles(folder.Path));
    }

    /// <summary>Before a text is run, which here is too short for it.</summary>
    [Fact]
    public void Groups_that_do_not_divide_rows_are_refused_by_the_tensor()
    {
        using TemporaryFolder folder = new();
        string text = folder.File("short.txt");
        File.WriteAllText(text, "Once upon a time.");
        string[] integers = ["quantize", TestModel.Path, folder.File("out.gguf"), "--type", "F16", "--bits", "4", "--group-size", "48"];
        string[] said = ["Groups of 48", "'blk.0.attn_q.weight', which have 128"];
        SluiceProcess.Run(integers).Failed(1, said);
        SluiceProcess.Run([.. integers, "--method", "gptq", "--calibration", text]).Failed(1, said);
        SluiceProcess.Run([.. integers, "--method", "awq", "--calibration", text, "--rotate"]).Failed(1, said);
        SluiceProcess.Run([.. integers, "--dry-run"]).Failed(1, said);
    }

    /// <summary>The text is too short, and the rotation's file cannot be written, so that a later refusal would be another.</summary>
    [Fact]
    public void A_type_that_the_method_cannot_write_is_refused_before_the_model_is_rotated()
    {
        using TemporaryFolder folder = new();
        string text = folder.File("short.txt"), output = folder.File("out.gguf");
        File.WriteAllText(text, "Once upon a time.");
        Directory.CreateDirectory(output + ".rotated");
        SluiceProcess.Run("quantize", TestModel.Path, output, "--type", "TQ1_0", "--pure", "--method", "gptq", "--calibration", text, "--rotate").Failed(1, "one by one to TQ1_0");
    }

    private static double Perplexity(string model)
    {
        string json = SluiceProcess.Run("perplexity", "--model", model, "--text", Corpus, "--chunks", "10", "--context", "512", "--json").Succeeded().Output;
        return JsonDocument.Parse(json).RootElement.GetProperty("perplexity").GetDouble();
    }
}
