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
        Assert.Equal(["a", "b", "ab", "c", "<s>", "[PAD5]"], written.Metadata.GetStringArray("tokenizer.ggml.tokens").Take(6));
        Assert.Equal(512, written.Metadata.GetStringArray("tokenizer.ggml.tokens").Count);
        Assert.Equal(["a b"], written.Metadata.GetStringArray("tokenizer.ggml.merges"));
        Assert.Equal(3, written.Metadata.GetInt32("tokenizer.ggml.eos_token_id"));
        using Runner runner = Runner.Load(output.File("hub.gguf"), new EngineOptions { Context = 32, Sequences = 1 });
        Assert.Equal(gguf.Architecture, runner.Model.Config.Architecture);
    }

    /// <summary>Experts that lie apart, in several files, are calibrated and rounded as those that lie together.</summary>
    [Theory]
    [InlineData("rtn", "Q4_K_M")]
    [InlineData("gptq", "Q4_K_M")]
    [InlineData("awq", "Q4_0")]
    public void A_folder_of_experts_is_quantized_as_its_gguf_twin(string method, string mix)
    {
        string original = SharedFiles.Shared("models", "stories260K-moe8x2-w256-hd64-f32.gguf");
        using Files.TemporaryFolder folder = new();
        using (ModelFile gguf = ModelFile.Open(original))
            HuggingFaceTwin.Write(gguf, folder, shards: 3);
        folder.Write("tokenizer.json", TokenizerTwin.Make(original, TokenizerTwin.LlamaParts, TokenizerTwin.SentencePieceModel));
        folder.Write("tokenizer_config.json", """{"bos_token": "<s>", "eos_token": "</s>"}""");
        using TemporaryFolder output = new();
        string[] written = [output.File("gguf.gguf"), output.File("hub.gguf")];
        QuantizationMethod how = new(method)
        {
            Text = File.ReadAllText(SharedFiles.Shared("corpora", "tinystories-sample.txt"))[..20000],
            Calibration = new CalibrationOptions { Tokens = 512 },
        };
        foreach ((string from, string to) in new[] { original, folder.Path }.Zip(written))
        {
            using ModelFile model = ModelFile.Open(from);
            QuantizationPlan plan = QuantizationPlan.Make(model, new QuantizationOptions { Mix = TypeMixes.Get(mix), Threads = 2 });
            using Calibrator? calibrator = how.Calibrate(from, 2);
            ModelQuantizer.Run(plan, to, how.Create(plan, calibrator));
            Assert.Null(ModelMetadata.TokenizerNote(model));
        }
        using ModelFile expected = ModelFile.Open(written[0]), actual = ModelFile.Open(written[1]);
        foreach (TensorInfo tensor in expected.Tensors.Values)
        {
            Assert.Equal(tensor.ToString(), actual.Tensor(tensor.Name).ToString());
            Assert.True(tensor.Data.Span().SequenceEqual(actual.Tensor(tensor.Name).Data.Span()), tensor.Name);
        }
        // The vocabulary is what it was, but for the numbers that scores are.
        Assert.Equal("llama", actual.Metadata.GetString("tokenizer.ggml.model"));
        Assert.Equal(expected.Metadata.GetStringArray("tokenizer.ggml.tokens"), actual.Metadata.GetStringArray("tokenizer.ggml.tokens"));
        Assert.Equal(expected.Metadata.GetInt32Array("tokenizer.ggml.token_type"), actual.Metadata.GetInt32Array("tokenizer.ggml.token_type"));
        Assert.Equal(Tokenizer.FromModel(expected).Encode("Once upon a time, there was Größe."), Tokenizer.FromModel(actual).Encode("Once upon a time, there was Größe."));
    }
}
