namespace Sluice.Cli.Output;

/// <summary>A file that is deleted when it is no longer used.</summary>
internal sealed class TemporaryFile(string path) : IDisposable
{
    public string Path => path;

    public void Dispose() => File.Delete(path);
}
