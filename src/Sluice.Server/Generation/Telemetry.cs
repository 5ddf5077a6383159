using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using OpenTelemetry;
using OpenTelemetry.Resources;

namespace Sluice.Server.Generation;

/// <summary>Sends traces, metrics and logs to an OpenTelemetry collector, where there is one. The OTEL_ variables are obeyed.</summary>
internal static class Telemetry
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT", Protocol = "OTEL_EXPORTER_OTLP_PROTOCOL";
    private const int HttpPort = 4318; // by convention; 4317 is gRPC's

    public static void Add(WebApplicationBuilder builder, Uri? endpoint, string version)
    {
        if (endpoint is not null)
            builder.Configuration[Endpoint] = endpoint.ToString();
        if (builder.Configuration[Endpoint] is not { Length: > 0 } text)
            return;
        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? collector))
            throw new ArgumentException($"{Endpoint} is '{text}', which is no URL.");
        if (collector.Port == HttpPort)
            builder.Configuration[Protocol] ??= "http/protobuf";
        Send(builder, version);
    }

    // Apart, so that OpenTelemetry is not even loaded where nobody asked for it.
    private static void Send(WebApplicationBuilder builder, string version) =>
        builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("sluice", serviceVersion: version))
            .WithTracing(traces => traces.AddSource(ServerMetrics.SourceName, "Microsoft.AspNetCore"))
            .WithMetrics(metrics => metrics.AddMeter(
                ServerMetrics.SourceName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime"))
            .UseOtlpExporter();
}
