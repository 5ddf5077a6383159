namespace Sluice.Cli.Output;

/// <summary>What is checked before a large file is written.</summary>
internal static class OutputFile
{
    /// <summary>A path without links, to compare with another.</summary>
    public static string Resolve(string path) =>
        File.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path) : Path.GetFullPath(path);

    /// <summary>Whether there is a folder for it, and room.</summary>
    /// <exception cref="IOException">There is not.</exception>
    public static void CheckRoom(string path, long bytes)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"There is no folder {folder} to write to.");
        long room = new DriveInfo(folder).AvailableFreeSpace;
        if (bytes > room)
            throw new IOException($"The result has {Numbers.Bytes(bytes)}, and {folder} has room for {Numbers.Bytes(room)}.");
    }
}
