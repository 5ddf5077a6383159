using System.Diagnostics;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Sluice.Cli.Tests;

/// <summary><c>sluice serve</c> in a process of its own, on a free port, with the model that comes with Sluice unless another is given.</summary>
internal sealed class ServeProcess : IDisposable
{
    private const string Serving = "Serving at ";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Process _process;
    private readonly Task<string> _rest;

    private ServeProcess(string[] args, (string Name, string Value)? environment)
    {
        _process = SluiceProcess.Start(["serve", "--port", "0", "-t", "1", .. args], null, environment);
        _process.StandardInput.Close();
        StringBuilder said = new();
        while (_process.StandardError.ReadLine() is { } line)
        {
            said.AppendLine(line);
            if (!line.StartsWith(Serving, StringComparison.Ordinal))
                continue;
            Address = new Uri(line[Serving.Length..]);
            _rest = _process.StandardError.ReadToEndAsync();
            return;
        }
        throw new InvalidOperationException(said.ToString());
    }

    public Uri Address { get; }

    public static ServeProcess Start(params string[] args) => new(args, null);

    public static ServeProcess Start(string[] args, (string Name, string Value) environment) => new(args, environment);

    /// <summary>A client with a key, or none, that trusts one certificate, or those of the system.</summary>
    public HttpClient Client(string? key = null, X509Certificate2? trusted = null)
    {
        HttpClientHandler handler = new();
        if (trusted is not null)
            handler.ServerCertificateCustomValidationCallback = (_, certificate, _, _) => certificate?.Thumbprint == trusted.Thumbprint;
        HttpClient client = new(handler) { BaseAddress = Address, Timeout = Patience };
        if (key is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    /// <summary>Begins an answer that goes on for so many tokens.</summary>
    public static Task<HttpResponseMessage> BeginAsync(HttpClient client, int tokens) => client.SendAsync(
        new HttpRequestMessage(HttpMethod.Post, "/v1/completions")
        {
            Content = new StringContent($$"""{"prompt":"Once","max_tokens":{{tokens}},"stream_options":{"include_usage":true},"ignore_eos":true,"stream":true}"""),
        }, HttpCompletionOption.ResponseHeadersRead);

    public void Terminate()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "signals are sent with kill");
        SluiceProcess.Signal(_process, "-TERM");
    }

    /// <summary>Waits for its end.</summary>
    public async Task<int> EndAsync()
    {
        await _process.WaitForExitAsync(new CancellationTokenSource(Patience).Token);
        Assert.DoesNotContain("   at ", await _rest);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
