using System.Text;
using Sluice.Evaluation;
using Sluice.Sampling;
using Sluice.TestData;
using Sluice.Tokenizers;

namespace Sluice.Tests.Engine;

using Engine = Sluice.Engine;

/// <summary>The model that comes with the repository (docs/starter-model.md).</summary>
public class StarterModelTests(ITestOutputHelper output)
{
    private static string Model => Path.Combine(SharedFiles.Root, "models", "sluice-starter.gguf");

    private static EngineOptions Options => new() { Threads = 1, Sequences = 1, KvFormat = "f32" };

    [Fact]
    public void It_is_small() => Assert.InRange(new FileInfo(Model).Length, 100_000, 3_000_000);

    [Fact]
    public async Task It_tells_a_story_and_comes_to_an_end()
    {
        using Engine engine = Engine.Load(Model, Options);
        Assert.Equal(512, engine.Context);
        StringBuilder story = new();
        FinishReason? finish = null;
        await foreach (GeneratedToken token in engine.Generate("Once upon a time", new Request { Prompt = [], Sampling = SamplingOptions.Greedy }))
        {
            story.Append(token.Text);
            finish = token.Finish;
        }
        output.WriteLine($"Once upon a time{story}");
        Assert.StartsWith(", there was a", story.ToString(), StringComparison.Ordinal);
        Assert.Equal(FinishReason.EndOfText, finish);
        Assert.All(story.ToString(), letter => Assert.InRange(letter, '\n', '~'));
    }

    [Fact]
    public void It_predicts_stories_that_it_was_not_trained_on()
    {
        string text = File.ReadAllText(SharedFiles.Shared("corpora", "tinystories-sample.txt"));
        using Runner runner = Runner.Load(Model, Options);
        Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
        Perplexity result = Perplexity.Measure(runner, tokenizer.Encode(text.AsSpan(0, 20_000)), tokenizer.BosId, 512, 4);
        output.WriteLine($"perplexity {result.Value:f4} +/- {result.StandardError:f4}");
        Assert.InRange(result.Value, 2.0, 5.0);
    }
}
