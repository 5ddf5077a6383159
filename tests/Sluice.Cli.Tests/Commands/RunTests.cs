using Sluice.TestData;

namespace Sluice.Cli.Tests.Commands;

public class RunTests
{
    private static readonly string[] Base = ["run", "--model", TestModel.Path, "--max-tokens", "20", "--ignore-end"];

    [Fact]
    public void Writes_the_text_alone_and_its_speed_beside_it()
    {
        SluiceProcess.Result result = Run("--seed", "1", "Hello").Succeeded();
        Assert.NotEqual("", result.Output);
        Assert.DoesNotContain("tokens/s", result.Output);
        Assert.DoesNotContain('\e', result.Output + result.Error);
        Assert.Matches(@"^loaded in [\d.]+ s; prompt \d+ tokens, [\d.]+ tokens/s; generated 20 tokens, [\d.]+ tokens/s \(--max-tokens\)\n$", result.Error.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void Same_seed_same_text()
    {
        string first = Run("--seed", "1", "Hello").Succeeded().Output;
        Assert.Equal(first, Run("--seed", "1", "-t", "1", "Hello").Succeeded().Output);
        Assert.NotEqual(first, Run("--seed", "2", "Hello").Succeeded().Output);
    }

    [Fact]
    public void Ends_before_a_stop_string_and_can_begin_with_the_prompt()
    {
        string whole = Run("--temperature", "0", "Hello").Succeeded().Output;
        string stop = whole.Substring(whole.Length / 2, 2);
        Assert.Equal(whole[..whole.IndexOf(stop, StringComparison.Ordinal)], Run("--temperature", "0", "--stop", stop, "--stop", "never to come", "Hello").Succeeded().Output);
        Assert.Equal("Hello" + whole, Run("--temperature", "0", "--echo", "Hello").Succeeded().Output);
    }

    [Fact]
    public void Reads_the_prompt_from_standard_input_and_begins_by_itself_without()
    {
        string given = Run("--temperature", "0", "Hello").Succeeded().Output;
        Assert.Equal(given, SluiceProcess.Run([.. Base, "--temperature", "0", "-"], "Hello").Succeeded().Output);
        Assert.Equal(given, Run("--temperature", "0", "--", "Hello").Succeeded().Output);
        Assert.NotEqual("", Run("--temperature", "0").Succeeded().Output);
    }

    [Fact]
    public void A_prompt_longer_than_the_context_is_refused()
    {
        Run(string.Join(' ', Enumerable.Repeat("Hello", 600))).Failed(1, "context", "512");
        Run("--context", "16", "a b c d e f g h i j k l m n o p q").Failed(1, "context", "16");
        Run("--kv-memory", "1K", "Hello").Failed(1, "KV cache");
    }

    [Fact]
    public void Interrupted_it_still_says_how_fast_it_was()
    {
        SluiceProcess.Result result = SluiceProcess.Interrupt(
            ["run", "--model", TestModel.Path, "--context", "200000", "--max-tokens", "0", "--ignore-end", "Hello"]);
        Assert.Contains("(interrupted)", result.Error);
        Assert.DoesNotContain("sluice:", result.Error);
    }

    [Fact]
    public void Writes_the_story_that_stories260K_is_known_for()
    {
        string model = SharedFiles.Shared("models", "stories260K-f32.gguf");
        string story = SluiceProcess.Run("run", "--model", model, "--temperature", "0", "--max-tokens", "60", "Once upon a time").Succeeded().Output;
        Assert.StartsWith(", there was a little girl named Lily. She loved to play outside in the park.", story);
    }

    [Fact]
    public void Needs_no_model_of_its_own()
    {
        using TemporaryFolder elsewhere = new();
        SluiceProcess.Result result = SluiceProcess.Run(["run", "--max-tokens", "40", "--seed", "1", "Once upon a time"], "", elsewhere.Path).Succeeded();
        Assert.Matches("[a-z]{2,} [a-z]{2,}", result.Output);
    }

    private static SluiceProcess.Result Run(params string[] args) => SluiceProcess.Run([.. Base, .. args]);
}
