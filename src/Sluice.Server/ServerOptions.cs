using System.Net;
using Microsoft.Extensions.Logging;
using Sluice.Chat;

namespace Sluice.Server;

/// <summary>How a server listens and what it allows.</summary>
public sealed record ServerOptions
{
    /// <summary>The address to listen at: an IP address, <c>localhost</c>, or <c>*</c> for all.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>The port; 0 for any that is free.</summary>
    public int Port { get; init; } = 8080;

    /// <summary>The name under which clients ask for the model; <see cref="Files.ModelFile.Name"/> if null.</summary>
    public string? ModelName { get; init; }

    /// <summary>How conversations are written and read; by what the model's files say if null.</summary>
    public ChatOptions? Chat { get; init; }

    /// <summary>
    /// Whether clients may load and unload adapters (/v1/load_lora_adapter): they name files of the server's machine, so only trusted ones
    /// should.
    /// </summary>
    public bool AllowAdapterLoading { get; init; }

    /// <summary>Keys of which clients must give one, as a bearer token; none: everybody may come.</summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    /// <summary>The most generations that have no token yet; one more is answered with 429.</summary>
    public int MaxQueue { get; init; } = 256;

    /// <summary>The most bytes of a request.</summary>
    public long MaxRequestBytes { get; init; } = 16 << 20;

    /// <summary>The most requests of one key (or one address, without keys) under way at once; 0: no limit.</summary>
    public int ConcurrencyPerKey { get; init; }

    /// <summary>The most requests of one key (or one address, without keys) a minute; 0: no limit.</summary>
    public int RequestsPerMinute { get; init; }

    /// <summary>The bytes that responses kept for /v1/responses may take; 0 keeps none.</summary>
    public long ResponseMemory { get; init; } = 64 << 20;

    /// <summary>The longest that a request may take.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long open requests may go on when the server stops.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Web origins whose pages may call the server; none by default, <c>*</c> for all.</summary>
    public IReadOnlyList<string> CorsOrigins { get; init; } = [];

    /// <summary>A certificate for HTTPS: a PEM file, or a PKCS #12 file where <see cref="CertificateKey"/> is null. Null: HTTP.</summary>
    public string? Certificate { get; init; }

    /// <summary>The PEM file of the certificate's private key.</summary>
    public string? CertificateKey { get; init; }

    /// <summary>What is logged: requests at <see cref="LogLevel.Information"/>, looks at the server's state at <see cref="LogLevel.Debug"/>.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>Whether the log is JSON, an object a line, instead of text.</summary>
    public bool LogJson { get; init; }

    /// <summary>Whether the log has what users write and what the model answers. Without it, the log has counts and times alone.</summary>
    public bool LogPrompts { get; init; }

    /// <summary>
    /// The OpenTelemetry collector that gets traces, metrics and logs; null for the one that OTEL_EXPORTER_OTLP_ENDPOINT names, if any.
    /// The other OTEL_ variables are obeyed too.
    /// </summary>
    public Uri? OtlpEndpoint { get; init; }

    /// <summary>The longest that times may be: what timers can count.</summary>
    private static TimeSpan MostTime => TimeSpan.FromMilliseconds(int.MaxValue);

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentException">One makes no sense; the message names it.</exception>
    public void Validate()
    {
        if (Host is not ("localhost" or "*") && !IPAddress.TryParse(Host, out _))
            throw new ArgumentException($"'{Host}' is not an IP address, localhost or *.", nameof(Host));
        ArgumentOutOfRangeException.ThrowIfLessThan(Port, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Port, ushort.MaxValue);
        if (ModelName is { Length: 0 })
            throw new ArgumentException("The model's name is empty.", nameof(ModelName));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxQueue);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxRequestBytes);
        ArgumentOutOfRangeException.ThrowIfNegative(ConcurrencyPerKey);
        ArgumentOutOfRangeException.ThrowIfNegative(RequestsPerMinute);
        ArgumentOutOfRangeException.ThrowIfNegative(ResponseMemory);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(RequestTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(RequestTimeout, MostTime);
        ArgumentOutOfRangeException.ThrowIfLessThan(ShutdownTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ShutdownTimeout, MostTime);
        foreach (string origin in CorsOrigins)
        {
            if (origin != "*" && !(Uri.TryCreate(origin, UriKind.Absolute, out Uri? url) && url.GetLeftPart(UriPartial.Authority) == origin))
                throw new ArgumentException($"'{origin}' is not a web origin, as https://example.org, or *.", nameof(CorsOrigins));
        }
    }
}
