namespace Sluice.Cli.Tests.Commands;

public class ChatTests
{
    private static readonly string[] Base = ["chat", "--model", TestModel.Path, "--max-tokens", "8", "--ignore-end", "--temperature", "0"];

    [Fact]
    public void Answers_line_by_line()
    {
        SluiceProcess.Result result = SluiceProcess.Run(Base, "Hello\nHow are you?\n/exit\nnot read\n").Succeeded();
        Assert.Equal(2, result.Error.Split("generated 8 tokens").Length - 1);
        Assert.Contains("plain", result.Error);
    }

    [Fact]
    public void Clearing_forgets()
    {
        string twice = SluiceProcess.Run(Base, "Hello\n/clear\nHello\n").Succeeded().Output;
        Assert.Equal(twice[..(twice.Length / 2)], twice[(twice.Length / 2)..]);
        Assert.NotEqual(twice, SluiceProcess.Run(Base, "Hello\nHello\n").Succeeded().Output);
    }

    [Fact]
    public void A_full_context_is_said_and_not_the_end()
    {
        SluiceProcess.Result result = SluiceProcess.Run([.. Base, "--context", "24"], new string('x', 400) + "\n/clear\nHi\n").Succeeded();
        Assert.Contains("/clear begins anew", result.Error);
        Assert.Contains("generated", result.Error);
    }
}
