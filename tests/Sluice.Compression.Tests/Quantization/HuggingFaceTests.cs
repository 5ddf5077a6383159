using Sluice.Files;
using Sluice.TestData;
using Sluice.Tokenizers;

namespace Sluice.Compression;

public class HuggingFaceTests
{
    private const string TokenizerJson = """
        {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3}, "merges": ["a b"]},
         "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true},
         "decoder": {"type": "ByteLevel"}, "added_tokens": [{"id": 4, "content": "<s>", "special": true}]}
        """;

    [Fact]
    public void A_folder_becomes_a_file_that_stands_alone()
    {
        using Files.TemporaryFolder folder = new();
        using ModelFile gguf = ModelFile.Open(SharedFiles.Shared("golden", "models", "qwen3.gguf"));
        HuggingFaceTwin.Write(gguf, folder, shards: 2);
        folder.Write("tokenizer.json", TokenizerJson);
        folder.Write("tokenizer_config.json", """{"bos_token": "<s>", "eos_token": {"content": "c"}}""");
        QuantizationOptions options = new() { Mix = TypeMixes.Get("Q5_1") };
        using TemporaryFolder output = new();
        using (ModelFile hub = ModelFile.Open(folder.Path))
            ModelQuantizer.Run(QuantizationPlan.Make(hub, options), output.File("hub.gguf"), new NearestQuantizer());
        ModelQuantizer.Run(QuantizationPlan.Make(gguf, options), output.File("gguf.gguf"), new NearestQuantizer());

        using ModelFile written = ModelFile.Open(output.File("hub.gguf")), expected = ModelFile.Open(output.File("gguf.gguf"));
        Assert.Equal(expected.Tensors.Keys.Order(), written.Tensors.Keys.Order());
        foreach (TensorInfo tensor in expected.Tensors.Values)
        {
            Assert.Equal(tensor.Type, written.Tensor(tensor.Name).Type);
            Assert.Equal(tensor.Data.Span(), written.Tensor(tensor.Name).Data.Span());
        }
        Tokenizer tokenizer = Tokenizer.FromModel(written);
        Assert.Equal([2, 3, 0], tokenizer.Encode("abca"));
        Assert.Equal(4, tokenizer.BosId);
        // Other programs read these, as many tokens as the embedding has rows.
        Assert.Equal("gpt-2", written.Metadata.GetString("tokenizer.ggml.pre"));
        Assert.Equal(["a", "b", "ab", "c", "<s>", "[PAD5]"], Enumerable.Range(0, 6).Select(written.Metadata.GetStringArray("tokenizer.ggml.tokens").Text));
        Assert.Equal(512, written.Metadata.GetStringArray("tokenizer.ggml.tokens").Count);
        Assert.Equal(["a b"], Enumerable.Range(0, 1).Select(written.Metadata.GetStringArray("tokenizer.ggml.merges").Text));
        Assert.Equal(3, written.Metadata.GetInt32("tokenizer.ggml.eos_token_id"));
        using Runner runner = Runner.Load(output.File("hub.gguf"), new EngineOptions { Context = 32, Sequences = 1 });
        Assert.Equal(gguf.Architecture, runner.Model.Config.Architecture);
    }
}
