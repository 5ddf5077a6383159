namespace Sluice.TestData;

/// <summary>
/// Finds test data: the project's own copies under tests/data, and the workplace's read-only <c>../shared</c> folder, whose
/// absence skips a test visibly.
/// </summary>
internal static class SharedFiles
{
    /// <summary>The root of the checkout (the folder that holds Sluice.slnx).</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>A file or folder under tests/data, which must exist.</summary>
    public static string Data(params string[] parts)
    {
        string path = Path.Combine([Root, "tests", "data", .. parts]);
        return Path.Exists(path) ? path : throw new FileNotFoundException("Missing test data", path);
    }

    /// <summary>A file or folder under ../shared (or $SLUICE_SHARED); skips the calling test where it is absent.</summary>
    public static string Shared(params string[] parts)
    {
        string folder = Environment.GetEnvironmentVariable("SLUICE_SHARED") ?? Path.Combine(Root, "..", "shared");
        string path = Path.GetFullPath(Path.Combine([folder, .. parts]));
        if (!Path.Exists(path))
            Assert.Skip($"needs {path}");
        return path;
    }

    private static string FindRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Sluice.slnx")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new DirectoryNotFoundException("Sluice.slnx not found above " + AppContext.BaseDirectory);
    }
}
