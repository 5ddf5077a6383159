using System.Diagnostics;

namespace Sluice.TestData;

/// <summary>Runs tests of this assembly again in a child process, as under other environment variables.</summary>
internal static class TestProcess
{
    /// <summary>Runs the tests that a filter chooses; fails with their output unless some ran and all of them passed.</summary>
    /// <param name="filter">The runner's options, as <c>-trait name=value</c> or <c>-class name</c>.</param>
    /// <param name="environment">Variables to set.</param>
    public static void Run(IEnumerable<string> filter, IEnumerable<(string Name, string Value)> environment)
    {
        string assembly = typeof(TestProcess).Assembly.Location;
        ProcessStartInfo start = new("dotnet", ["exec", assembly, "-noLogo", "-noColor", .. filter])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd() + errors.Result;
        process.WaitForExit();
        Assert.True(process.ExitCode == 0 && !output.Contains("Total: 0", StringComparison.Ordinal), output);
    }
}
