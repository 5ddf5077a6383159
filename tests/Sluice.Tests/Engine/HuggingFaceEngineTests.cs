using Sluice.Files;
using Sluice.Sampling;
using Sluice.TestData;

namespace Sluice.Tests.Engine;

using Engine = Sluice.Engine;

public class HuggingFaceEngineTests
{
    /// <summary>A Hugging Face folder goes all the way from text to text, with its own tokenizer.json.</summary>
    [Fact]
    public async Task A_folder_continues_a_text_as_its_gguf_twin_continues_the_tokens()
    {
        using TemporaryFolder folder = new();
        string gguf = SharedFiles.Shared("golden", "models", "qwen3.gguf");
        using (ModelFile file = ModelFile.Open(gguf))
            HuggingFaceTwin.Write(file, folder);
        folder.Write("tokenizer.json", HuggingFaceTwin.ByteTokenizer(512));
        EngineOptions options = new() { Threads = 1, Context = 64, Sequences = 1 };
        Request request = new() { Prompt = [.. "Hello, you"u8], Sampling = SamplingOptions.Greedy, MaxTokens = 12, IgnoreEnd = true };

        using Engine engine = Engine.Load(folder.Path, options);
        List<int> ids = [];
        await foreach (GeneratedToken token in engine.Generate("Hello, you", request))
            ids.Add(token.Id);
        using Engine twin = Engine.Load(gguf, options);
        List<int> expected = [];
        await foreach (GeneratedToken token in twin.Generate(request))
            expected.Add(token.Id);
        Assert.Equal(12, ids.Count);
        Assert.Equal(expected, ids);
    }
}
