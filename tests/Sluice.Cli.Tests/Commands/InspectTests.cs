using System.Text.Json;

namespace Sluice.Cli.Tests.Commands;

public class InspectTests
{
    [Fact]
    public void Shows_what_a_file_has()
    {
        string shown = SluiceProcess.Run("inspect", TestModel.Path).Succeeded().Output;
        Assert.Contains("llama.embedding_length", shown);
        Assert.Contains("blk.1.ffn_down.weight", shown);
        Assert.Contains("256 x 128", shown);
        Assert.Contains("room for a context of 512 tokens", shown);
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
