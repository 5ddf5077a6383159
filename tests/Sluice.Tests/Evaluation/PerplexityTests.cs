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
        Perplexity result = Measure(model, "f32");
        output.WriteLine($"{model}: {result.Value:f4} +/- {result.StandardError:f4}, expected {expected}");
        Assert.Equal(10, result.Chunks);
        Assert.Equal(2550, result.Tokens);
        Assert.InRange(result.Value, expected - tolerance, expected + tolerance);
    }

    /// <summary>8 bits keep the cache nearly as it is; at 4 bits this model's outliers cost much, unless rows are rotated.</summary>
    [Fact]
    public void Rotation_rescues_a_cache_of_4_bits()
    {
        double Value(string kvFormat)
        {
            double value = Measure("stories260K-w256-hd64-f32.gguf", kvFormat).Value;
            output.WriteLine($"{kvFormat}: {value:f4}");
            return value;
        }
        double exact = Value("f32");
        Assert.InRange(Value("q8_0"), 0.99 * exact, 1.01 * exact);
        foreach (string format in (string[])["q4_0", "q4_1"])
        {
            Assert.True(Value(format) > 1.2 * exact);
            Assert.InRange(Value(format + "-rotated"), 0.99 * exact, 1.06 * exact);
        }
    }

    private static Perplexity Measure(string model, string kvFormat)
    {
        string text = File.ReadAllText(SharedFiles.Shared("corpora", "tinystories-sample.txt"));
        using Runner runner = Runner.Load(SharedFiles.Shared("models", model), new EngineOptions { Threads = 2, Context = 512, Sequences = 1, KvFormat = kvFormat });
        Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
        int[] tokens = tokenizer.Encode(text.AsSpan(0, 100_000));
        return Perplexity.Measure(runner, tokens, tokenizer.AddsBos ? tokenizer.BosId : null, 512, 10);
    }

    [Fact]
    public void A_text_shorter_than_a_chunk_is_refused()
    {
        using Runner runner = Runner.Load(SharedFiles.Shared("models", "stories260K-f32.gguf"), new EngineOptions { Context = 64 });
        Assert.Throws<ArgumentException>(() => Perplexity.Measure(runner, new int[63], 1, 64));
        Assert.Throws<ArgumentException>(() => Perplexity.Measure(runner, new int[200], 1, 65));
    }
}
