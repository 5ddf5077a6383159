using System.Text.Json;
using Sluice.Compression;
using Sluice.Files;
using Sluice.TestData;

namespace Sluice.Cli.Tests.Commands;

public class QuantizeTests
{
    [Fact]
    public void Says_what_became_of_the_model_and_the_result_runs()
    {
        using TemporaryFolder folder = new();
        string output = folder.File("out.gguf");
        SluiceProcess.Result said = SluiceProcess.Run("quantize", TestModel.Path, output, "--type", "q8_0").Succeeded();
        Assert.Contains("bits per weight", said.Output);
        Assert.Contains(output, said.Output);
        SluiceProcess.Run("run", "hello", "--model", output, "--max-tokens", "2", "--temperature", "0").Succeeded();

        using JsonDocument json = JsonDocument.Parse(SluiceProcess.Run("quantize", TestModel.Path, "--type", "Q4_K_M", "--dry-run", "--json").Succeeded().Output);
        Assert.Empty(json.RootElement.GetProperty("outputs").EnumerateArray());
        Assert.Equal(
            json.RootElement.GetProperty("bytesAfter").GetInt64(),
            json.RootElement.GetProperty("tensors").EnumerateArray().Sum(tensor => tensor.GetProperty("bytes").GetInt64()));
        Assert.NotEmpty(json.RootElement.GetProperty("fallbacks").EnumerateArray()); // rows of 128
        Assert.Equal(["out.gguf"], Directory.GetFiles(folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public void Wrong_use_and_wrong_input_are_errors()
    {
        using TemporaryFolder folder = new();
        string copy = folder.File("copy.gguf"), output = folder.File("out.gguf");
        File.Copy(TestModel.Path, copy);
        SluiceProcess.Run("quantize", copy, copy, "--type", "Q8_0").Failed(2, "input itself");
        SluiceProcess.Run("quantize", copy, "--type", "Q8_0").Failed(2, "OUT");
        SluiceProcess.Run("quantize", copy, output).Failed(2, "--type");
        SluiceProcess.Run("quantize", copy, output, "--type", "Q4_Z").Failed(2, "Q4_K_M");
        SluiceProcess.Run("quantize", copy, output, "--type", "Q8_0", "--tensor-type", "ffn=Q9").Failed(2, "Q9");
        SluiceProcess.Run("quantize", copy, output, "--type", "Q8_0", "--tensor-type", "[=Q8_0").Failed(2, "[=Q8_0");
        SluiceProcess.Run("quantize", copy, output, "--type", "Q8_0", "--imatrix", copy).Failed(1, "imatrix");
        SluiceProcess.Run("quantize", copy, folder.File("none/out.gguf"), "--type", "Q8_0").Failed(1, "none");
        SluiceProcess.Run("quantize", copy, output, "--type", "Q8_0").Succeeded();
        SluiceProcess.Run("quantize", output, folder.File("again.gguf"), "--type", "Q4_0").Failed(1, "--requantize");
        SluiceProcess.Run("quantize", output, folder.File("again.gguf"), "--type", "Q4_0", "--requantize").Succeeded();
        Assert.Equal(File.ReadAllBytes(TestModel.Path), File.ReadAllBytes(copy));
        Assert.Empty(Directory.GetFiles(folder.Path, "*.part"));
    }

    [Fact]
    public void No_part_of_a_split_input_is_written_over()
    {
        using TemporaryFolder folder = new();
        string first = folder.File("in-00001-of-00002.gguf"), second = folder.File("in-00002-of-00002.gguf");
        using (ModelFile file = ModelFile.Open(TestModel.Path))
        {
            TensorInfo[] tensors = [.. file.Tensors.Values];
            for (int part = 0; part < 2; part++)
            {
                Metadata metadata = part == 0 ? ModelMetadata.Copy(file) : new Metadata(second);
                metadata.Add("split.no", (ushort)part);
                metadata.Add("split.count", (ushort)2);
                metadata.Add("split.tensors.count", tensors.Length);
                GgufWriter.Write(part == 0 ? first : second, metadata, part == 0 ? tensors[..5] : tensors[5..]);
            }
        }
        SluiceProcess.Run("quantize", first, folder.File("in.gguf"), "--type", "Q8_0", "--keep-split").Failed(2, "input itself");
        SluiceProcess.Run("quantize", first, second, "--type", "Q8_0").Failed(2, "input itself");
        SluiceProcess.Run("sparsify", first, second, "--calibration", first).Failed(2, "input itself");
        SluiceProcess.Run("quantize", first, folder.File("in.gguf"), "--type", "Q8_0").Succeeded();
    }

    [Theory]
    [InlineData("--type", "Q4_0", "--method", "gptq")]
    [InlineData("--type", "Q4_0", "--method", "awq")]
    [InlineData("--target-bpw", "6", "--method", "rtn")]
    public void A_weight_that_is_no_number_is_named_before_the_model_is_run(params string[] how)
    {
        using TemporaryFolder folder = new();
        string damaged = folder.File("damaged.gguf");
        byte[] bytes = File.ReadAllBytes(TestModel.Path);
        bytes.AsSpan(bytes.Length - 1024, 64).Fill(0xFF); // NaN in floats of either length
        File.WriteAllBytes(damaged, bytes);
        SluiceProcess.Run(["quantize", damaged, folder.File("out.gguf"), "--calibration", damaged, .. how]).Failed(1, "Tensor 'blk.", "NaN");
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Types_of_tensors_that_do_not_fit_are_said()
    {
        using TemporaryFolder folder = new();
        string output = folder.File("out.gguf"), text = folder.File("text.txt");
        File.WriteAllText(text, "Too short to calibrate on, so that only what is said before can be seen.");
        Assert.Contains("'fnn_down'", SluiceProcess.Run(
            "quantize", TestModel.Path, "--dry-run", "--type", "Q4_0", "--tensor-type", "fnn_down=Q8_0", "--tensor-type", "ffn_down=Q8_0").Succeeded().Error);
        string norms = SluiceProcess.Run("quantize", TestModel.Path, "--dry-run", "--type", "Q4_0", "--tensor-type", "attn_norm=F16", "--tensor-type", "attn=F16").Succeeded().Error;
        Assert.Contains("'attn_norm' is of no use: blk.0.attn_norm.weight stays F32", norms);
        Assert.DoesNotContain("'attn'", norms); // which is of maps too
        SluiceProcess.Run("quantize", TestModel.Path, output, "--type", "Q4_0", "--tensor-type", "ffn_down=Q8_K").Failed(2, "'Q8_K'", "Q6_K");
        SluiceProcess.Run(
            "quantize", SharedFiles.Shared("golden", "models", "llama-mha-256.gguf"), output, "--type", "Q4_0", "--method", "gptq", "--calibration", text,
            "--tensor-type", "attn_q=IQ2_XXS").Failed(1, "one by one to IQ2_XXS");
    }

    [Fact]
    public void A_folder_that_takes_no_files_is_named_and_no_temporary_file()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "where nobody can make files in /sys");
        SluiceProcess.Result result = SluiceProcess.Run("quantize", TestModel.Path, "/sys/out.gguf", "--type", "Q8_0");
        result.Failed(1, "/sys/out.gguf cannot be written", "/sys takes no new files");
        Assert.DoesNotContain(".part", result.Error);
    }

    [Fact]
    public void Low_bits_without_importance_are_warned_of_and_an_importance_matrix_ends_that()
    {
        using TemporaryFolder folder = new();
        string text = folder.File("text.txt"), matrix = folder.File("m.gguf"), output = folder.File("out.gguf");
        File.WriteAllText(text, string.Concat(Enumerable.Range(0, 40).Select(i => $"Line {i} of a text. ")));
        SluiceProcess.Result result = SluiceProcess.Run("quantize", TestModel.Path, output, "--type", "IQ2_XS").Succeeded();
        Assert.Contains("importance matrix", result.Error);

        string[] measure = ["imatrix", "--model", TestModel.Path, "--text", text, "--output", matrix, "--context", "32"];
        Assert.Contains("14 tensors, 2 chunks", SluiceProcess.Run([.. measure, "--chunks", "2"]).Succeeded().Output);
        using JsonDocument json = JsonDocument.Parse(SluiceProcess.Run([.. measure, "--chunks", "3", "--resume", "--save-every", "1", "--json"]).Succeeded().Output);
        Assert.Equal(3, json.RootElement.GetProperty("chunks").GetInt32());
        SluiceProcess.Run("imatrix", "--in-file", matrix, "--in-file", matrix, "--output", folder.File("both.dat")).Succeeded();
        result = SluiceProcess.Run("quantize", TestModel.Path, output, "--type", "IQ2_XS", "--imatrix", folder.File("both.dat")).Succeeded();
        Assert.DoesNotContain("Warning", result.Error);

        SluiceProcess.Run([.. measure[..^1], "16", "--resume"]).Failed(1, "--context");
        SluiceProcess.Run("imatrix", "--output", matrix).Failed(2, "--in-file");
        SluiceProcess.Run("imatrix", "--in-file", matrix, "--output", matrix, "--chunks", "2").Failed(2, "--chunks is of no use");
        File.WriteAllText(text, "short");
        SluiceProcess.Run("imatrix", "--model", TestModel.Path, "--text", text, "--output", folder.File("no.gguf")).Failed(1, "chunk");
        Assert.False(File.Exists(folder.File("no.gguf")));
    }

    /// <summary>At most 0.3 % above what an independent engine's quantizations of the same model reach (../shared/README.md).</summary>
    [Theory]
    [InlineData("Q4_K_M", 3.8433)]
    [InlineData("IQ4_XS", 3.8263)]
    [InlineData("Q4_0", 3.9390)]
    [InlineData("Q3_K_M", 4.1622)]
    [InlineData("Q2_K", 6.1915)]
    public void Perplexity_of_a_trained_model_is_the_field_s_or_better(string type, double expected)
    {
        string model = SharedFiles.Shared("models", "stories260K-w256-hd64-f32.gguf"), text = SharedFiles.Shared("corpora", "tinystories-sample.txt");
        using TemporaryFolder folder = new();
        string half = folder.File("f16.gguf"), output = folder.File("out.gguf");
        SluiceProcess.Run("quantize", model, half, "--type", "F16").Succeeded();
        SluiceProcess.Run("quantize", half, output, "--type", type).Succeeded();
        using JsonDocument json = JsonDocument.Parse(SluiceProcess.Run(
            "perplexity", "--model", output, "--text", text, "--chunks", "10", "--context", "512", "--json").Succeeded().Output);
        Assert.InRange(json.RootElement.GetProperty("perplexity").GetDouble(), 3.7, 1.003 * expected);
    }
}
