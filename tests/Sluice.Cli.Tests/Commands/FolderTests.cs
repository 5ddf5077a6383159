using System.Runtime.InteropServices;
using System.Text.Json;
using Sluice.Files;
using Sluice.TestData;

namespace Sluice.Cli.Tests.Commands;

/// <summary>A Hugging Face folder of a mixture of experts under the commands.</summary>
public class FolderTests
{
    [Fact]
    public void A_folder_of_experts_is_inspected_and_quantized()
    {
        using Files.TemporaryFolder folder = new();
        using TemporaryFolder output = new();
        using (ModelFile gguf = ModelFile.Open(SharedFiles.Shared("golden", "models", "qwen3moe.gguf")))
            HuggingFaceTwin.Write(gguf, folder, shards: 2);
        folder.Write("tokenizer.json", HuggingFaceTwin.ByteTokenizer(512));
        string text = output.File("text.txt"), nearest = output.File("rtn.gguf"), gptq = output.File("gptq.gguf");
        File.WriteAllText(text, string.Concat(Enumerable.Repeat("The quick brown fox jumps over the lazy dog. ", 200)));

        using (JsonDocument json = JsonDocument.Parse(SluiceProcess.Run("inspect", "--json", folder.Path).Succeeded().Output))
        {
            Assert.Equal("qwen3moe", json.RootElement.GetProperty("architecture").GetString());
            JsonElement up = json.RootElement.GetProperty("tensors").EnumerateArray().Single(t => t.GetProperty("name").GetString() == "blk.1.ffn_up_exps.weight");
            Assert.Equal([128, 64, 8], up.GetProperty("shape").EnumerateArray().Select(length => length.GetInt32()));
        }
        SluiceProcess.Run("quantize", folder.Path, nearest, "--type", "Q4_K_M").Succeeded();
        SluiceProcess.Run(
            "quantize", folder.Path, gptq, "--type", "Q4_0", "--method", "gptq", "--calibration", text, "--calibration-tokens", "1024",
            "--calibration-context", "128").Succeeded();
        float[] expected = Logits(folder.Path);
        // Random weights are the worst there are: a router's choice hangs on little. Unrelated logits differ by 2.
        Assert.InRange(Nmse(expected, Logits(nearest)), 1e-6, 0.3);
        Assert.InRange(Nmse(expected, Logits(gptq)), 1e-6, 0.3);
        Assert.Equal("84 104 101", SluiceProcess.Run("tokenize", "--model", nearest, "The").Succeeded().Output.Trim());

        // Experts go over one by one; the router stays as it is.
        string export = output.File("export");
        Assert.Contains("rounded to nearest", SluiceProcess.Run("export", folder.Path, export, "--layout", "gptq", "--group-size", "32", "--symmetric").Succeeded().Error);
        string kinds = SluiceProcess.Run("inspect", export).Succeeded().Output;
        Assert.Contains("W4G32", kinds);
        Assert.InRange(Nmse(expected, Logits(export)), 1e-6, 0.3);

        // By methods, which run the text; and the integers that they chose go on to another layout as they are.
        string[] calibration = ["--group-size", "32", "--calibration", text, "--calibration-tokens", "1024", "--calibration-context", "128"];
        string ordered = output.File("ordered"), scaled = output.File("scaled"), again = output.File("again");
        Assert.Contains("56 maps rounded by gptq", SluiceProcess.Run(["export", folder.Path, ordered, "--method", "gptq", "--act-order", .. calibration]).Succeeded().Error);
        Assert.Contains("56 maps rounded by awq", SluiceProcess.Run(["export", folder.Path, scaled, "--layout", "awq", "--method", "awq", .. calibration]).Succeeded().Error);
        Assert.Contains("56 maps as they were", SluiceProcess.Run("export", scaled, again, "--layout", "gptq_v2", "--group-size", "32").Succeeded().Error);
        Assert.InRange(Nmse(expected, Logits(ordered)), 1e-6, 0.3);
        Assert.InRange(Nmse(expected, Logits(scaled)), 1e-6, 0.3);
        Assert.Equal(Logits(scaled), Logits(again));
        SluiceProcess.Run(["export", scaled, output.File("twice"), "--method", "gptq", .. calibration]).Failed(1, "--requantize");

        float[] Logits(string path)
        {
            string file = output.File("logits.f32");
            SluiceProcess.Run("logits", "--model", path, "--tokens", "84,104,101,32,113,117", "--out", file).Succeeded();
            return MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(file)).ToArray();
        }
    }

    /// <summary>What GGUF has no name for is told in one line, and the file works here all the same.</summary>
    [Fact]
    public void A_tokenizer_that_other_programs_will_not_find_is_told()
    {
        using Files.TemporaryFolder folder = new();
        using TemporaryFolder output = new();
        using (ModelFile gguf = ModelFile.Open(SharedFiles.Shared("golden", "models", "qwen3moe.gguf")))
            HuggingFaceTwin.Write(gguf, folder);
        folder.Write("tokenizer.json", HuggingFaceTwin.ByteTokenizer(512).Replace("\"ByteLevel\", \"add_prefix_space\": false", "\"ByteLevel\", \"add_prefix_space\": true"));
        string target = output.File("out.gguf");
        Assert.Contains("is kept whole, which other programs do not read", SluiceProcess.Run("quantize", folder.Path, target, "--type", "Q8_0").Succeeded().Error);
        Assert.Equal("32 84", SluiceProcess.Run("tokenize", "--model", target, "T").Succeeded().Output.Trim());
    }

    private static double Nmse(float[] expected, float[] actual) =>
        expected.Zip(actual, (e, a) => ((double)e - a) * ((double)e - a)).Sum() / expected.Sum(e => (double)e * e);
}
