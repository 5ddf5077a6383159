using System.Text.Json;
using Sluice.TestData;

namespace Sluice.Cli.Tests.Commands;

public class InspectTests
{
    private static string Starter => Path.Combine(SharedFiles.Root, "models", "sluice-starter.gguf");

    [Fact]
    public void Shows_what_a_file_has()
    {
        string shown = SluiceProcess.Run("inspect", TestModel.Path).Succeeded().Output;
        Assert.Contains("llama.embedding_length", shown);
        Assert.Contains("blk.1.ffn_down.weight", shown);
        Assert.Contains("256 x 128", shown);
        Assert.Contains("room for a context of 512 tokens", shown);
    }

    [Theory]
    [InlineData("auto", "8-bit integers, int8 activations")]
    [InlineData("f32", "8-bit integers, float32 activations")]
    [InlineData("bf16", "8-bit integers, bfloat16 activations")]
    [InlineData("int8", "8-bit integers, int8 activations")]
    [InlineData("int8-token", "8-bit integers, int8 (one scale a token) activations")]
    [InlineData("fp8", "8-bit integers, E4M3 (one scale a token) activations as bfloat16")]
    [InlineData("int8-static", "8-bit integers, int8 (one scale a token) activations")] // the file has no ranges
    public void Says_which_kernel_a_tensor_has_with_such_activations(string activations, string kernel)
    {
        using JsonDocument json = JsonDocument.Parse(SluiceProcess.Run("inspect", "--json", Starter, "--activations", activations).Succeeded().Output);
        JsonElement tensor = json.RootElement.GetProperty("tensors").EnumerateArray().Single(t => t.GetProperty("name").GetString() == "blk.0.attn_q.weight");
        Assert.Equal(kernel, tensor.GetProperty("kernel").GetString());
    }

    [Fact]
    public void Tells_it_in_json()
    {
        using JsonDocument json = JsonDocument.Parse(SluiceProcess.Run("inspect", "--json", TestModel.Path).Succeeded().Output);
        JsonElement root = json.RootElement;
        Assert.Equal("llama", root.GetProperty("architecture").GetString());
        Assert.Equal(128, root.GetProperty("metadata").GetProperty("llama.embedding_length").GetInt32());
        Assert.True(root.GetProperty("metadata").GetProperty("tokenizer.ggml.add_bos_token").GetBoolean());
        Assert.Equal(21, root.GetProperty("tensors").GetArrayLength());
        Assert.Equal(new FileInfo(TestModel.Path).Length, root.GetProperty("fileBytes").GetInt64());
        Assert.Equal(512, root.GetProperty("memory").GetProperty("largestContext").GetInt32());
    }
}
