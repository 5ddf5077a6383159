using System.Diagnostics;
using Sluice.Files;

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

    /// <summary>A model's own template makes the prompt, so that it decides how many tokens the same words take.</summary>
    [Fact]
    public void A_model_with_a_template_is_asked_by_it()
    {
        using TemporaryFolder temporary = new();
        string path = Path.Combine(temporary.Path, "chatty.gguf");
        using (ModelFile file = ModelFile.Open(TestModel.Path))
        {
            Metadata metadata = new(path);
            foreach ((string key, MetadataValue value) in file.Metadata)
                metadata.Add(key, value);
            metadata["tokenizer.chat_template"] =
                "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}";
            GgufWriter.Write(path, metadata, [.. file.Tensors.Values]);
        }
        SluiceProcess.Result result = SluiceProcess.Run(["chat", "--model", path, .. Base[3..], "--system", "Be kind"], "Hello\nAgain\n").Succeeded();
        Assert.Contains("by the model's template", result.Error);
        string rendered = "<s>system: Be kind\nuser: Hello\nassistant:";
        int expected = SluiceProcess.Run("tokenize", "--model", path, "--no-bos", "--special", rendered).Succeeded().Output.Trim().Split(' ').Length;
        Assert.Contains($"prompt {expected} tokens", result.Error);
    }

    [Fact]
    public async Task At_a_terminal_Ctrl_C_ends_an_answer_and_not_the_conversation()
    {
        const string Script = "/usr/bin/script"; // makes a terminal
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists(Script), $"There is no {Script}.");
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        string command = $"dotnet {Path.Combine(AppContext.BaseDirectory, "sluice.dll")} chat --model {TestModel.Path} --context 200000 --kv-memory 1G --max-tokens 190000 --ignore-end";
        using Process process = Process.Start(new ProcessStartInfo(Script, ["-qec", command, "/dev/null"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        await WriteAfterAsync(text => text.Contains("> "), "Hello\n");
        await WriteAfterAsync(text => text.Length > 300, "\u0003");
        await WriteAfterAsync(text => text.Contains("(interrupted)"), "/exit\n");
        await process.WaitForExitAsync(cancellation);
        Assert.Equal(0, process.ExitCode);

        async Task WriteAfterAsync(Func<string, bool> isThere, string keys)
        {
            char[] buffer = new char[4096];
            for (string text = ""; !isThere(text);)
            {
                int count = await process.StandardOutput.ReadAsync(buffer, cancellation);
                Assert.True(count > 0, "It ended: " + text);
                text += new string(buffer, 0, count);
            }
            await process.StandardInput.WriteAsync(keys);
            await process.StandardInput.FlushAsync(cancellation);
        }
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
