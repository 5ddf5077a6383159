using System.Text.Json;

namespace Sluice.Cli.Tests.Commands;

public class SparsifyTests
{
    [Fact]
    public void A_file_with_thresholds_runs_is_shown_and_can_be_run_without()
    {
        using TemporaryFolder folder = new();
        string text = WriteText(folder), output = folder.File("sparse.gguf");
        string said = SluiceProcess.Run(
            "sparsify", TestModel.Path, output, "--calibration", text, "--calibration-context", "64", "--sparsity", "0.5", "--json").Succeeded().Output;
        using (JsonDocument result = JsonDocument.Parse(said))
        {
            Assert.Equal(0.5, result.RootElement.GetProperty("sparsity").GetDouble());
            foreach (JsonElement tensor in result.RootElement.GetProperty("tensors").EnumerateArray())
                Assert.Equal(0.5, tensor.GetProperty("share").GetDouble(), 0.02);
        }
        Assert.Contains("count as zero", SluiceProcess.Run("inspect", output).Succeeded().Output);
        using (JsonDocument shown = JsonDocument.Parse(SluiceProcess.Run("inspect", output, "--json").Succeeded().Output))
        {
            JsonElement map = shown.RootElement.GetProperty("tensors").EnumerateArray().Single(tensor => tensor.GetProperty("name").GetString() == "blk.0.ffn_down.weight");
            Assert.True(map.GetProperty("threshold").GetDouble() > 0);
            Assert.Equal(0.5, map.GetProperty("sparsity").GetDouble(), 0.02);
        }
        Assert.DoesNotContain("count as zero", SluiceProcess.Run("inspect", TestModel.Path).Succeeded().Output);

        byte[] dense = Logits(folder, TestModel.Path);
        Assert.NotEqual(dense, Logits(folder, output));
        Assert.Equal(dense, Logits(folder, output, "--activation-sparsity", "0"));
        Assert.NotEqual(Logits(folder, output), Logits(folder, output, "--activation-sparsity", "0.25"));
        using JsonDocument measured = JsonDocument.Parse(SluiceProcess.Run(
            "perplexity", "--model", output, "--reference", output, "--text", text, "--context", "64", "--chunks", "2", "--json").Succeeded().Output);
        Assert.True(measured.RootElement.GetProperty("divergence").GetProperty("mean").GetDouble() > 0, "the reference is not dense");
    }

    [Fact]
    public void A_bench_finds_thresholds_of_its_own()
    {
        using JsonDocument rows = JsonDocument.Parse(SluiceProcess.Run(
            "bench", "--model", TestModel.Path, "-p", "0", "-n", "4", "-r", "1", "--activation-sparsity", "0.5", "--json").Succeeded().Output);
        Assert.Equal("tg4", rows.RootElement[0].GetProperty("test").GetString());
    }

    [Fact]
    public void Wrong_use_and_bad_files_have_one_line()
    {
        using TemporaryFolder folder = new();
        string text = WriteText(folder), output = folder.File("sparse.gguf");
        SluiceProcess.Run("sparsify", TestModel.Path, output).Failed(2, "--calibration");
        SluiceProcess.Run("sparsify", TestModel.Path, output, "--calibration", text, "--sparsity", "0.95").Failed(2, "--sparsity takes");
        SluiceProcess.Run("sparsify", TestModel.Path, output, "--calibration", text, "--allocation", "magic").Failed(2, "--allocation takes");
        SluiceProcess.Run("sparsify", TestModel.Path, TestModel.Path, "--calibration", text).Failed(2, "input itself");
        SluiceProcess.Run("run", "--activation-sparsity", "1", "text").Failed(2, "--activation-sparsity takes");
        File.WriteAllText(folder.File("short.txt"), "Hello");
        SluiceProcess.Run("sparsify", TestModel.Path, output, "--calibration", folder.File("short.txt")).Failed(1, "less than a chunk");
        SluiceProcess.Run("sparsify", TestModel.Path, folder.File("no/where.gguf"), "--calibration", text).Failed(1, "no folder");
        SluiceProcess.Run("perplexity", "--model", TestModel.Path, "--text", text, "--context", "64", "--activation-sparsity", "0.4").Failed(1, "sluice sparsify");
        Assert.False(File.Exists(output));
    }

    private static string WriteText(TemporaryFolder folder)
    {
        string path = folder.File("text.txt");
        File.WriteAllText(path, string.Concat(Enumerable.Range(0, 400).Select(i => $"The {i % 7} little words number {i} are here. ")));
        return path;
    }

    private static byte[] Logits(TemporaryFolder folder, string model, params string[] more)
    {
        string path = folder.File("logits.f32");
        SluiceProcess.Run(["logits", "--model", model, "--tokens", "1,5,9,13", "--out", path, .. more]).Succeeded();
        return File.ReadAllBytes(path);
    }
}
