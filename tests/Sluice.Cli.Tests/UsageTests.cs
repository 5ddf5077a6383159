namespace Sluice.Cli.Tests;

public class UsageTests
{
    [Theory]
    [InlineData("Required command")]
    [InlineData("'nonsense'", "nonsense")]
    [InlineData("'--nonsense'", "run", "--nonsense")]
    [InlineData("'--temprature'", "run", "--temprature", "text")]
    [InlineData("'two'", "run", "one", "two")]
    [InlineData("--threads takes a whole number from 1 to 1024; '0' is not", "run", "-t", "0", "text")]
    [InlineData("--threads takes", "run", "--threads", "many", "text")]
    [InlineData("'-t'", "run", "text", "-t")]
    [InlineData("--context takes", "run", "--context", "-5", "text")]
    [InlineData("--max-tokens takes", "run", "--max-tokens", "1.5", "text")]
    [InlineData("--temperature takes a number from 0", "run", "--temperature", "-1", "text")]
    [InlineData("--temperature takes", "run", "--temperature", "NaN", "text")]
    [InlineData("--top-k takes", "run", "--top-k", "x", "text")]
    [InlineData("--top-p takes a number from 0 to 1", "run", "--top-p", "1.1", "text")]
    [InlineData("--min-p takes", "run", "--min-p", "2", "text")]
    [InlineData("--seed takes", "run", "--seed", "-1", "text")]
    [InlineData("--stop takes", "run", "--stop", "", "text")]
    [InlineData("--kv-memory takes a size", "run", "--kv-memory", "2X", "text")]
    [InlineData("--kv-type takes one of", "run", "--kv-type", "f17", "text")]
    [InlineData("--logit-bias takes", "run", "--logit-bias", "7", "text")]
    [InlineData("--model", "perplexity", "--text", "a.txt")]
    [InlineData("--text", "perplexity", "--model", "a.gguf")]
    [InlineData("--tokens takes", "logits", "--model", "a.gguf", "--tokens", "1,x", "--out", "a.f32")]
    [InlineData("--out", "logits", "--model", "a.gguf", "--tokens", "1")]
    [InlineData("TEXT", "tokenize", "--model", "a.gguf")]
    [InlineData("TEXT", "tokenize", "--model", "a.gguf", "--file", "a.txt", "text")]
    [InlineData("argument", "inspect")]
    [InlineData("argument", "embed")]
    [InlineData("--lora takes a name and a path", "serve", "--lora", "tales.gguf")]
    [InlineData("--lora", "run", "--lora", "a.gguf", "--lora", "b.gguf", "text")]
    [InlineData("TEXT is empty", "embed", "")]
    [InlineData("--pooling takes one of", "embed", "--pooling", "max", "text")]
    [InlineData("'100000' is not", "run", "--threads", "100000", "text")]
    [InlineData("--regex: The pattern", "run", "--regex", "(a", "text")]
    [InlineData("--port takes a whole number from 0 to 65535", "serve", "--port", "70000")]
    [InlineData("'nowhere' is not an IP address", "serve", "--host", "nowhere")]
    [InlineData("model's name is empty", "serve", "--model-name", "")]
    [InlineData("'example.org' is not a web origin", "serve", "--cors-origin", "example.org")]
    [InlineData("--request-timeout takes", "serve", "--request-timeout", "3000000")]
    [InlineData("--plot takes", "compare", "a.gguf", "--text", "a.txt", "--plot", "nowhere/a.svg")]
    [InlineData("--bits takes a whole number from 2 to 8", "quantize", "a.gguf", "b.gguf", "--type", "F16", "--bits", "9")]
    [InlineData("--shape", "bench", "--shape", "llama-9", "--type", "Q8_0")]
    [InlineData("--type", "bench", "--shape", "llama-3.2-1b", "--type", "Q99")]
    [InlineData("--type", "bench", "--type", "Q8_0")]
    [InlineData("either", "bench", "--model", "a.gguf", "--shape", "llama-3.2-1b")]
    [InlineData("nothing to measure", "bench", "-p", "0", "-n", "0")]
    public void Wrong_usage_is_exit_code_2(string said, params string[] args) => SluiceProcess.Run(args).Failed(2, said);

    [Fact]
    public void The_command_that_was_meant_is_named() =>
        Assert.Contains("'sluice bench serve --help' says how", SluiceProcess.Run("bench", "serve", "--rate", "0").Error);

    [Theory]
    [InlineData("--threads", "run")]
    [InlineData("--system", "chat")]
    [InlineData("--repetitions", "bench")]
    [InlineData("--chunks", "perplexity")]
    [InlineData("--tokens", "logits")]
    [InlineData("--no-bos", "tokenize")]
    [InlineData("--json", "inspect")]
    public void Help_shows_options_and_examples(string option, string command)
    {
        SluiceProcess.Result result = SluiceProcess.Run(command, "--help").Succeeded();
        Assert.Contains(option, result.Output);
        Assert.Contains("Examples:\n  sluice " + command, result.Output.ReplaceLineEndings("\n"));
        Assert.Equal("", result.Error);
    }

    [Fact]
    public void Help_lists_the_commands()
    {
        string help = SluiceProcess.Run("--help").Succeeded().Output;
        foreach (string command in new[] { "run", "chat", "bench", "perplexity", "logits", "tokenize", "inspect" })
            Assert.Contains("  " + command, help);
        Assert.Equal("0.1.0", SluiceProcess.Run("--version").Succeeded().Output.Split('+')[0].Trim());
    }
}
