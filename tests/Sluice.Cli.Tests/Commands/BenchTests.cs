using System.Text.Json;
using Sluice.Cli.Synthesis;
using Sluice.Compression;
using Sluice.Tensors.Formats;

namespace Sluice.Cli.Tests.Commands;

public class BenchTests
{
    [Fact]
    public void Measures_a_model()
    {
        SluiceProcess.Result table = SluiceProcess.Run("bench", "--model", TestModel.Path, "-p", "16,32", "-n", "4", "-r", "2", "-t", "1").Succeeded();
        Assert.Contains("pp16", table.Output);
        Assert.Contains("pp32", table.Output);
        Assert.Contains("tg4", table.Output);
    }

    [Fact]
    public void Measures_made_up_weights_and_leaves_nothing_behind()
    {
        using TemporaryFolder temporary = new();
        SluiceProcess.Result result = SluiceProcess.Run(
            ["bench", "--shape", "stories-15m", "--type", "Q4_K_M", "-p", "8", "-n", "2", "-r", "2", "--json"], "", null, ("TMPDIR", temporary.Path));
        using JsonDocument json = JsonDocument.Parse(result.Succeeded().Output);
        Assert.Equal(["pp8", "tg2"], json.RootElement.EnumerateArray().Select(row => row.GetProperty("test").GetString()!));
        foreach (JsonElement row in json.RootElement.EnumerateArray())
        {
            Assert.True(row.GetProperty("tokensPerSecond").GetDouble() > 0);
            Assert.True(row.GetProperty("stddev").GetDouble() >= 0);
            Assert.Equal(2, row.GetProperty("samples").GetArrayLength());
        }
        Assert.True(json.RootElement[1].GetProperty("gigabytesPerSecond").GetDouble() > 0);
        Assert.Empty(Directory.GetFileSystemEntries(temporary.Path, "sluice*"));
    }

    [Fact]
    public void Measures_behind_a_context()
    {
        string output = SluiceProcess.Run(
            "bench", "--shape", "stories-15m", "--type", "Q8_0", "-p", "8", "-n", "2", "-r", "2", "--depth", "40", "--json").Succeeded().Output;
        using JsonDocument json = JsonDocument.Parse(output);
        Assert.Equal(["pp8@d40", "tg2@d40"], json.RootElement.EnumerateArray().Select(row => row.GetProperty("test").GetString()!));
    }

    [Fact]
    public void Measures_sequences_that_write_at_once()
    {
        string output = SluiceProcess.Run(
            "bench", "--shape", "stories-15m", "--type", "Q8_0", "-p", "0", "-n", "2", "-r", "2", "--batch", "1,3,16", "--json").Succeeded().Output;
        using JsonDocument json = JsonDocument.Parse(output);
        Assert.Equal(["tg2", "tg2x3", "tg2x16"], json.RootElement.EnumerateArray().Select(row => row.GetProperty("test").GetString()!));
    }

    [Fact]
    public void Keeps_made_up_weights_where_it_is_told()
    {
        using TemporaryFolder temporary = new();
        string file = Path.Combine(temporary.Path, "kept.gguf");
        SluiceProcess.Run("bench", "--shape", "stories-15m", "--type", "Q4_0", "-p", "4", "-n", "0", "-r", "1", "--save", file).Succeeded();
        SluiceProcess.Run("bench", "--model", file, "-p", "4", "-n", "2", "-r", "1").Succeeded();
        Assert.Equal(2, SluiceProcess.Run("bench", "--model", file, "--save", file).ExitCode);
    }

    [Fact]
    public void Shows_operations_beside_the_machines_limits()
    {
        SluiceProcess.Result result = SluiceProcess.Run(
            "bench", "--shape", "stories-15m", "--type", "Q4_K_M", "-p", "8", "-n", "2", "-r", "2", "-t", "2", "--roofline", "--json");
        using JsonDocument json = JsonDocument.Parse(result.Succeeded().Output);
        Assert.Equal(2, json.RootElement.GetArrayLength());
        foreach ((JsonElement row, int steps, int tokens) in json.RootElement.EnumerateArray().Zip([1, 2], [8, 2]))
        {
            JsonElement roofline = row.GetProperty("roofline"), limits = roofline.GetProperty("limits");
            Assert.Equal(2, limits.GetProperty("threads").GetInt32());
            foreach (string limit in (string[])["readBytes", "int8", "float32"])
            {
                Assert.True(limits.GetProperty(limit).GetProperty("oneThread").GetDouble() > 1e7);
                Assert.True(limits.GetProperty(limit).GetProperty("allThreads").GetDouble() > 1e7);
            }
            JsonElement[] operations = [.. roofline.GetProperty("operations").EnumerateArray()];
            foreach (JsonElement operation in operations)
            {
                Assert.Contains(operation.GetProperty("bound").GetString(), (string[])["memory", "int8", "fp32"]);
                Assert.True(operation.GetProperty("seconds").GetDouble() > 0);
                Assert.True(operation.GetProperty("ofLimit").GetDouble() > 0);
            }
            Assert.InRange(operations.Sum(operation => operation.GetProperty("share").GetDouble()), 0.1, 1.000001);
            JsonElement map = operations.Single(operation => operation.GetProperty("operation").GetString() == "Linear ffn_gate+up");
            Assert.Equal(6 * steps, map.GetProperty("calls").GetInt32());
            Assert.Equal(6.0 * tokens * 288 * 2 * 768, map.GetProperty("multiplyAdds").GetDouble());
        }
    }

    [Fact]
    public void Shows_operations_in_a_table()
    {
        string output = SluiceProcess.Run(
            "bench", "--model", TestModel.Path, "-p", "16", "-n", "2", "-r", "1", "-t", "1", "--roofline").Succeeded().Output;
        foreach (string said in (string[])["memory read, GB/s", "int8, GMAC/s", "pp16: ", "tg2: ", "| Attention ", "Linear attn_q+k+v", "between operations"])
            Assert.Contains(said, output, StringComparison.Ordinal);
    }

    [Fact]
    public void Interrupted_it_leaves_nothing_behind()
    {
        using TemporaryFolder temporary = new();
        SluiceProcess.Interrupt(
            ["bench", "--shape", "stories-15m", "--type", "Q8_0", "-p", "4", "-n", "0", "-r", "100000"], afterError: true, ("TMPDIR", temporary.Path));
        Assert.Empty(Directory.GetFileSystemEntries(temporary.Path, "sluice*"));
    }

    // The sizes that llama-bench tells of published files, in MiB.
    [Theory]
    [InlineData("llama-3.2-1b", "Q4_K_M", 762.81)]
    [InlineData("llama-3.2-1b", "Q8_0", 1252.41)]
    [InlineData("tinyllama-1.1b", "Q4_K_M", 636.18)]
    [InlineData("llama-3.1-8b", "Q4_K_M", 4.58 * 1024)]
    [InlineData("llama-2-7b", "Q4_0", 3.56 * 1024)]
    public void Made_up_models_have_the_published_sizes(string name, string type, double expected)
    {
        Shape shape = Shape.All.Single(s => s.Name == name);
        TypeMix mix = TypeMixes.Get(type);
        long bytes = 0;
        foreach ((string tensor, long[] dimensions) in shape.Tensors())
            bytes += WeightFormats.Get(mix.Choose(tensor, dimensions, shape.Model)).Bytes(dimensions.Aggregate((a, b) => a * b));
        Assert.Equal(1, bytes / 1048576.0 / expected, 0.002);
    }

    [Fact]
    public void Every_type_makes_every_shape()
    {
        foreach (Shape shape in Shape.All)
        {
            foreach (TypeMix mix in TypeMixes.All)
            {
                foreach ((string tensor, long[] dimensions) in shape.Tensors())
                    Assert.Equal(0, dimensions[0] % WeightFormats.Get(mix.Choose(tensor, dimensions, shape.Model)).BlockSize);
            }
        }
    }

    [Fact]
    public void Random_weights_are_small_numbers_in_every_format()
    {
        foreach (WeightFormat format in WeightFormats.All)
        {
            byte[] bytes = RandomWeights.Make(format, 1 << 16);
            float[] values = new float[bytes.Length / format.BlockBytes * format.BlockSize];
            format.Dequantize(bytes, values);
            Assert.All(values, value => Assert.InRange(value, -0.25f, 0.25f));
            Assert.True(values.Distinct().Count() > 8, format.Name);
        }
    }
}
