namespace Sluice.Cli.Arguments;

/// <summary>The small model that comes with Sluice, so that it works without a download.</summary>
internal static class DefaultModel
{
    private const string Name = "sluice-starter.gguf";

    /// <summary>Where it lies: beside the program, whatever the current folder.</summary>
    public static string Path => System.IO.Path.Combine(AppContext.BaseDirectory, "models", Name);
}
