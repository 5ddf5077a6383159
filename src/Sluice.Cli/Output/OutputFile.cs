namespace Sluice.Cli.Output;

/// <summary>Where a command will write, looked at before it works for hours.</summary>
internal static class OutputFile
{
    /// <summary>Refuses a path that no file can have.</summary>
    /// <exception cref="IOException">It is a folder's, or leads through one that is not there.</exception>
    public static void Check(string path)
    {
        if (Directory.Exists(path))
            throw new IOException($"{path} is a folder; a file is to be written.");
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"There is no folder {folder} to write {Path.GetFileName(path)} to.");
    }
}
