using System.Diagnostics;

namespace Sluice.Cli.Tests.Commands;

public class ImatrixTests
{
    [Fact]
    public void Interrupted_it_keeps_what_was_measured()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent with kill");
        using TemporaryFolder folder = new();
        string text = folder.File("text.txt"), output = folder.File("m.gguf");
        File.WriteAllText(text, string.Concat(Enumerable.Repeat("Once upon a time there was a dog. ", 50_000)));
        string[] args = ["imatrix", "--model", TestModel.Path, "--text", text, "--output", output, "--context", "64"];
        using (Process process = SluiceProcess.Start([.. args, "--save-every", "1"]))
        {
            while (!File.Exists(output) && !process.HasExited)
                Thread.Sleep(20);
            int code = SluiceProcess.Interrupt(process);
            string error = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.Equal(code, process.ExitCode);
            Assert.Contains("--resume goes on", error);
        }
        byte[] kept = File.ReadAllBytes(output);
        int chunks = int.Parse(SluiceProcess.Run([.. args, "--resume", "--chunks", "1"]).Succeeded().Output.Split(" chunks")[0].Split(' ')[^1]);
        Assert.InRange(chunks, 1, 1_000_000);
        Assert.Equal(kept.Length, new FileInfo(output).Length);
    }

    /// <summary>The older form does not say how long its chunks are.</summary>
    [Theory]
    [InlineData("m.gguf")]
    [InlineData("m.dat")]
    public void Goes_on_with_chunks_of_any_length(string name)
    {
        using TemporaryFolder folder = new();
        string text = folder.File("text.txt"), output = folder.File(name);
        File.WriteAllText(text, string.Concat(Enumerable.Repeat("Once upon a time there was a dog. ", 100)));
        string[] args = ["imatrix", "--model", TestModel.Path, "--text", text, "--output", output, "--context", "64"];
        SluiceProcess.Run([.. args, "--chunks", "2"]).Succeeded();
        Assert.Contains(" 4 chunks of 64 tokens", SluiceProcess.Run([.. args, "--chunks", "4", "--resume"]).Succeeded().Output);
    }

    [Theory]
    [InlineData("--chunks", "2")]
    [InlineData("--context", "64")]
    [InlineData("--save-every", "2")]
    [InlineData("--resume")]
    public void Options_of_a_measurement_are_wrong_usage_in_a_merge(params string[] option)
    {
        using TemporaryFolder folder = new();
        SluiceProcess.Run(["imatrix", "--in-file", folder.File("a.gguf"), "--output", folder.File("b.gguf"), .. option]).Failed(2, option[0], "--model");
    }

    [Fact]
    public void A_folder_that_takes_no_files_is_refused_before_anything_is_measured()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "/proc takes no files, whoever asks");
        SluiceProcess.Run("imatrix", "--model", TestModel.Path, "--text", "no-such-text", "--output", "/proc/m.gguf").Failed(1, "/proc/m.gguf");
    }
}
