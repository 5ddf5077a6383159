namespace Sluice.Cli.Output;

/// <summary>Where a command will write, looked at before it works for hours.</summary>
internal static class OutputFile
{
    /// <summary>Refuses a path that no file can have.</summary>
    /// <exception cref="IOException">It is a folder's, or leads through one that is not there.</exception>
    /// <exception cref="UnauthorizedAccessException">Its folder takes no new files.</exception>
    public static void Check(string path)
    {
        if (Directory.Exists(path))
            throw new IOException($"{path} is a folder; a file is to be written.");
        CheckFolderOf(path);
    }

    /// <summary>Refuses a path, of a file or of a folder, whose folder is not there or takes nothing new.</summary>
    /// <exception cref="IOException">It leads through a folder that is not there.</exception>
    /// <exception cref="UnauthorizedAccessException">Its folder takes no new files.</exception>
    public static void CheckFolderOf(string path)
    {
        path = Path.TrimEndingDirectorySeparator(path);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"There is no folder {folder} to write {Path.GetFileName(path)} to.");
        if (Path.Exists(path))
            return;
        try
        {
            new FileStream($"{path}.{Environment.ProcessId}.part", FileMode.Create, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose).Dispose();
        }
        catch (UnauthorizedAccessException)
        {
            throw new UnauthorizedAccessException($"{path} cannot be written: {folder} takes no new files.");
        }
    }

    /// <summary>Refuses to write over what is read.</summary>
    /// <exception cref="UsageException">The paths lead to one file.</exception>
    public static void CheckOther(string input, string output)
    {
        if (Resolve(input) == Resolve(output))
            throw new UsageException($"{output} is the input itself; write to another file.");

        static string Resolve(string path) =>
            File.Exists(path) ? File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path) : Path.GetFullPath(path);
    }

    /// <summary>Refuses a path that no file of that size can have.</summary>
    /// <exception cref="IOException">As of <see cref="Check"/>, or the disk has no room.</exception>
    public static void CheckRoom(string path, long bytes)
    {
        Check(path);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        long room = new DriveInfo(folder).AvailableFreeSpace;
        if (bytes > room)
            throw new IOException($"The result has {Numbers.Bytes(bytes)}, and {folder} has room for {Numbers.Bytes(room)}.");
    }
}
