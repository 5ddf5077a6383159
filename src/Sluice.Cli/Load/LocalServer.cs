using System.Diagnostics;
using Sluice.Cli.Output;

namespace Sluice.Cli.Load;

/// <summary><c>sluice serve</c> in a process of its own, on a free port, which ends with this object.</summary>
internal sealed class LocalServer : IDisposable
{
    private const string Serving = "Serving at ";

    private readonly Process _process;

    private LocalServer(Process process) => _process = process;

    /// <summary>Where it listens.</summary>
    public Uri Address { get; private set; } = null!;

    /// <summary>Starts one, and waits until it serves.</summary>
    /// <param name="model">The model's path.</param>
    /// <param name="options">More options of <c>sluice serve</c>.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="InvalidOperationException">It ended; it has said why.</exception>
    public static async Task<LocalServer> StartAsync(string model, IEnumerable<string> options, CancellationToken cancellation)
    {
        string program = Environment.ProcessPath ?? throw new InvalidOperationException("It is unknown how this program was started.");
        string[] self = Path.GetFileNameWithoutExtension(program) == "dotnet" ? [Path.Combine(AppContext.BaseDirectory, "sluice.dll")] : [];
        ProcessStartInfo start = new(program, [.. self, "serve", "--model", model, "--port", "0", "--log-level", "none", .. options]) { RedirectStandardError = true };
        start.Environment.Remove("SLUICE_API_KEYS");
        LocalServer server = new(Process.Start(start)!);
        try
        {
            while (await server._process.StandardError.ReadLineAsync(cancellation) is { } line)
            {
                Terminal.Note(line);
                if (!line.StartsWith(Serving, StringComparison.Ordinal))
                    continue;
                server.Address = new Uri(line[Serving.Length..]);
                _ = server._process.StandardError.ReadToEndAsync(CancellationToken.None); // so that it never waits for its reader
                return server;
            }
            throw new InvalidOperationException("The server did not start.");
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
