using Sluice.Evaluation;
using Sluice.TestData;
using Sluice.Tokenizers;

namespace Sluice.Tests.Evaluation;

public class PerplexityTests(ITestOutputHelper output)
{
    /// <summary>What llama.cpp measures on the first 10 chunks of 512 tokens (../shared/README.md).</summary>
    [Theory]
    [InlineData("stories260K-f32.gguf", 3.7501, 0.001)]
    [InlineData("stories260K-w256-hd64-f32.gguf", 3.7497, 0.001)]
    [InlineData("stories260K-moe8x2-w256-hd64-f32.gguf", 3.7498, 0.001)]
    [InlineData("stories260K-w256-hd64-Q8_0.gguf", 3.7515, 0.005)]
    [InlineData("stories260K-w256-hd64-Q6_K.gguf", 3.7673, 0.005)]
    [InlineData("stories260K-w256-hd64-Q4_K_M.gguf", 3.8474, 0.01)]
    [InlineData("bitllama-3M-f32.gguf", 3.4758, 0.001)]
    public void Perplexity_agrees_with_an_independent_engine(string model, double expected, double tolerance)
    {
        string text = File.ReadAllText(SharedFiles.Shared("corpora", "tinystories-sample.txt"));
        using Runner runner = Runner.Load(SharedFiles.Shared("models", model), new EngineOptions { Threads = 2, Context = 512, Sequences = 1, KvFormat = "f32" });
        Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
        int[] tokens = tokenizer.Encode(text.AsSpan(0, 100_000));
        Perplexity result = Perplexity.Measure(runner, tokens, tokenizer.AddsBos ? tokenizer.BosId : null, 512, 10);
        output.WriteLine($"{model}: {result.Value:f4} +/- {result.StandardError:f4}, expected {expected}");
        Assert.Equal(10, result.Chunks);
        Assert.Equal(2550, result.Tokens);
        Assert.InRange(result.Value, expected - tolerance, expected + tolerance);
    }

    [Fact]
    public void A_text_shorter_than_a_chunk_is_refused()
    {
        using Runner runner = Runner.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), new EngineOptions { Context = 64 });
        Assert.Throws<ArgumentException>(() => Perplexity.Measure(runner, new int[63], 1, 64));
        Assert.Throws<ArgumentException>(() => Perplexity.Measure(runner, new int[200], 1, 65));
    }
}
