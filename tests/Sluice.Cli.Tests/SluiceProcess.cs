using System.Diagnostics;
using System.Text;

namespace Sluice.Cli.Tests;

/// <summary>The built command in a process of its own, as users run it.</summary>
internal static class SluiceProcess
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    public sealed record Result(int ExitCode, string Output, string Error)
    {
        /// <summary>Asserts that all went well.</summary>
        public Result Succeeded()
        {
            Assert.True(ExitCode == 0, $"exit code {ExitCode}: {Error}");
            return this;
        }

        /// <summary>Asserts one line on standard error that says what was wrong, and nothing on standard output.</summary>
        public void Failed(int exitCode, params string[] said)
        {
            Assert.Equal(exitCode, ExitCode);
            Assert.Equal("", Output);
            string complaint = Assert.Single(Error.Split('\n'), line => line.StartsWith("sluice: ", StringComparison.Ordinal));
            foreach (string part in said)
                Assert.Contains(part, complaint);
            Assert.DoesNotContain("   at ", Error);
        }
    }

    /// <summary>Runs it to its end.</summary>
    public static Result Run(params string[] args) => Run(args, input: "");

    public static Result Run(string[] args, string input, string? folder = null, (string Name, string Value)? environment = null)
    {
        using Process process = Start(args, folder, environment);
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(input);
        process.StandardInput.Close();
        return End(process, output, error);
    }

    /// <summary>Runs it until its standard output (or error) begins, interrupts it as Ctrl-C does, and checks its exit code.</summary>
    public static Result Interrupt(string[] args, bool afterError = false, (string Name, string Value)? environment = null)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent with kill");
        using Process process = Start(args, null, environment);
        process.StandardInput.Close();
        char[] first = new char[1];
        int read = (afterError ? process.StandardError : process.StandardOutput).Read(first);
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        int code = Interrupt(process);
        Result rest = End(process, output, error);
        Assert.Equal(code, rest.ExitCode);
        string begin = new(first, 0, read);
        return afterError ? rest with { Error = begin + rest.Error } : rest with { Output = begin + rest.Output };
    }

    /// <summary>Interrupts it as Ctrl-C does.</summary>
    /// <returns>The exit code that it should have.</returns>
    public static int Interrupt(Process process)
    {
        (string signal, int code) = IgnoresInterrupts ? ("-TERM", 143) : ("-INT", 130);
        Signal(process, signal);
        return code;
    }

    /// <summary>Sends it a signal.</summary>
    public static void Signal(Process process, string signal)
    {
        using Process kill = Process.Start("kill", [signal, process.Id.ToString()]);
        kill.WaitForExit();
    }

    /// <summary>
    /// Whether this process was started with SIGINT ignored, as shells start background jobs: children inherit that, and .NET
    /// respects it.
    /// </summary>
    private static bool IgnoresInterrupts { get; } = OperatingSystem.IsLinux()
        && File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)) is { } line
        && (Convert.ToUInt64(line["SigIgn:".Length..].Trim(), 16) & (1 << (2 - 1))) != 0;

    /// <summary>Starts it.</summary>
    public static Process Start(string[] args, string? folder = null, (string Name, string Value)? environment = null)
    {
        ProcessStartInfo start = new("dotnet", [Path.Combine(AppContext.BaseDirectory, "sluice.dll"), .. args])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardInputEncoding = new UTF8Encoding(false),
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            WorkingDirectory = folder ?? "",
        };
        if (environment is { } variable)
            start.Environment[variable.Name] = variable.Value;
        return Process.Start(start)!;
    }

    private static Result End(Process process, Task<string> output, Task<string> error)
    {
        if (!process.WaitForExit(Patience))
        {
            process.Kill();
            Assert.Fail($"sluice did not end: {error.Result}");
        }
        return new Result(process.ExitCode, output.Result, error.Result);
    }
}
