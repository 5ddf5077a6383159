using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Sluice.Server.Tests;

/// <summary>Meters and sources are the process's, so other tests' servers would be measured too.</summary>
[CollectionDefinition(nameof(TelemetryTests), DisableParallelization = true)]
public class Alone;

/// <summary>Spans and metrics as OpenTelemetry's semantic conventions for generative AI name them.</summary>
[Collection(nameof(TelemetryTests))]
public class TelemetryTests
{
    private const string TraceId = "0af7651916cd43dd8448eb211c80319c", SpanId = "b7ad6b7169203331";

    [Fact]
    public async Task SpansGoOnFromTheClientsTrace()
    {
        List<Activity> spans = [];
        await using (RunningServer server = await RunningServer.StartAsync(configure: Export(spans, [])))
        {
            using HttpRequestMessage request = new(HttpMethod.Post, "/v1/chat/completions")
            {
                Content = new StringContent("""{"messages":[{"role":"user","content":"Once"}],"max_tokens":6,"ignore_eos":true,"temperature":0.5,"top_k":5,"seed":7,"n":2}"""),
            };
            request.Headers.Add("traceparent", $"00-{TraceId}-{SpanId}-01");
            (await server.Http.SendAsync(request)).EnsureSuccessStatusCode();
            await server.PostAsync("/v1/completions", """{"prompt":"Once","max_tokens":3}""");
            await server.ComesToRestAsync();
            server.App.Services.GetRequiredService<TracerProvider>().ForceFlush();
        }
        Activity http = Assert.Single(spans, span => span.Source.Name == "Microsoft.AspNetCore" && span.TraceId.ToHexString() == TraceId);
        Assert.Equal(SpanId, http.ParentSpanId.ToHexString());
        Activity chat = Assert.Single(spans, span => span.OperationName == "chat " + RunningServer.Model);
        Assert.Equal((TraceId, http.SpanId), (chat.TraceId.ToHexString(), chat.ParentSpanId));
        Dictionary<string, object?> tags = chat.TagObjects.ToDictionary();
        Assert.Equal("chat", tags["gen_ai.operation.name"]);
        Assert.Equal("sluice", tags["gen_ai.provider.name"]);
        Assert.Equal(RunningServer.Model, tags["gen_ai.request.model"]);
        Assert.Equal(RunningServer.Model, tags["gen_ai.response.model"]);
        Assert.Equal(2, tags["gen_ai.request.choice.count"]);
        Assert.Equal(6, tags["gen_ai.request.max_tokens"]);
        Assert.Equal(0.5, tags["gen_ai.request.temperature"]);
        Assert.Equal(5, tags["gen_ai.request.top_k"]);
        Assert.Equal(7L, tags["gen_ai.request.seed"]);
        Assert.InRange((int)tags["gen_ai.usage.input_tokens"]!, 1, 20);
        Assert.Equal(12, tags["gen_ai.usage.output_tokens"]);
        Assert.Equal(["length", "length"], (string[])tags["gen_ai.response.finish_reasons"]!);
        Assert.DoesNotContain("error.type", tags.Keys);
        Assert.Single(spans, span => span.OperationName == "text_completion " + RunningServer.Model);
    }

    [Theory]
    [InlineData("/v1/completions", """{"prompt":"Once","max_tokens":9,"ignore_eos":true}""", "text_completion")]
    [InlineData("/v1/embeddings", """{"input":["Once","upon"]}""", "embeddings")]
    public async Task WhatFailsSaysSo(string path, string json, string operation)
    {
        using Gate gate = new();
        List<Activity> spans = [];
        List<Metric> metrics = [];
        await using (RunningServer server = await RunningServer.StartAsync(
            new ServerOptions { RequestTimeout = TimeSpan.FromTicks(1), LogLevel = LogLevel.None }, configure: Export(spans, metrics), gate: gate))
        {
            gate.Close();
            Task<(int Status, JsonElement)> answer = server.PostAsync(path, json);
            await Task.WhenAny(answer, Task.Delay(1000)); // an embedding is given up between two steps alone
            gate.Open();
            Assert.Equal(408, (await answer).Status);
            await server.ComesToRestAsync();
            server.App.Services.GetRequiredService<TracerProvider>().ForceFlush();
            server.App.Services.GetRequiredService<MeterProvider>().ForceFlush();
        }
        Activity span = Assert.Single(spans, span => span.OperationName.StartsWith(operation, StringComparison.Ordinal));
        Assert.Equal((ActivityStatusCode.Error, "cancelled"), (span.Status, span.GetTagItem("error.type")));
        Assert.Equal("cancelled", Points(metrics, "gen_ai.server.request.duration").Single().Tags["error.type"]);
    }

    [Fact]
    public async Task MetricsHaveTheirNamesUnitsAndAttributes()
    {
        List<Metric> metrics = [];
        await using (RunningServer server = await RunningServer.StartAsync(configure: Export([], metrics)))
        {
            await server.PostAsync("/v1/completions", """{"prompt":"Once upon a time","max_tokens":9,"ignore_eos":true}""");
            await server.ComesToRestAsync();
            server.App.Services.GetRequiredService<MeterProvider>().ForceFlush();
        }
        foreach (string name in (string[])["gen_ai.server.request.duration", "gen_ai.server.time_to_first_token", "gen_ai.server.time_per_output_token"])
        {
            Assert.Equal("s", metrics.Last(metric => metric.Name == name).Unit);
            (Dictionary<string, object?> tags, MetricPoint point) = Points(metrics, name).Single();
            Assert.Equal(1, point.GetHistogramCount());
            Assert.InRange(point.GetHistogramSum(), 1e-6, 20);
            Assert.Equal("text_completion", tags["gen_ai.operation.name"]);
            Assert.Equal("sluice", tags["gen_ai.provider.name"]);
            Assert.Equal(RunningServer.Model, tags["gen_ai.request.model"]);
        }
        Assert.Equal("{token}", metrics.Last(metric => metric.Name == "gen_ai.client.token.usage").Unit);
        Dictionary<object, double> usage = Points(metrics, "gen_ai.client.token.usage").ToDictionary(p => p.Tags["gen_ai.token.type"]!, p => p.Point.GetHistogramSum());
        Assert.Equal(9, usage["output"]);
        Assert.InRange(usage["input"], 4, 10);
        Assert.Equal(["sluice.kv.usage", "sluice.requests.running", "sluice.requests.waiting"],
            metrics.Select(metric => metric.Name).Where(name => name.StartsWith("sluice", StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal));
    }

    /// <summary>A collector gets everything, by the option alone.</summary>
    [Fact]
    public async Task ACollectorGetsTracesMetricsAndLogs()
    {
        Dictionary<string, byte[]> got = [];
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenLocalhost(4318)); // the port at which OTLP over HTTP is spoken
        await using WebApplication collector = builder.Build();
        collector.MapPost("/v1/{signal}", async context =>
        {
            using MemoryStream body = new();
            await context.Request.Body.CopyToAsync(body);
            lock (got)
                got[(string)context.Request.RouteValues["signal"]!] = [.. got.GetValueOrDefault((string)context.Request.RouteValues["signal"]!, []), .. body.ToArray()];
        });
        await collector.StartAsync();
        await using (RunningServer server = await RunningServer.StartAsync(new ServerOptions { OtlpEndpoint = new Uri("http://localhost:4318") }))
            await server.PostAsync("/v1/completions", """{"prompt":"swordfish","max_tokens":5,"ignore_eos":true}""");

        Assert.Contains("gen_ai.usage.output_tokens", Text("traces"));
        Assert.Contains("gen_ai.server.time_to_first_token", Text("metrics"));
        Assert.Contains("text_completion", Text("logs"));
        foreach (string signal in got.Keys)
        {
            Assert.Contains("sluice", Text(signal)); // service.name
            Assert.DoesNotContain("swordfish", Text(signal));
        }

        string Text(string signal) => Encoding.Latin1.GetString(got[signal]);
    }

    private static Action<WebApplicationBuilder> Export(List<Activity> spans, List<Metric> metrics) => builder => builder.Services.AddOpenTelemetry()
        .WithTracing(traces => traces.AddSource("Sluice.Server", "Microsoft.AspNetCore").AddInMemoryExporter(spans))
        .WithMetrics(meters => meters.AddMeter("Sluice.Server").AddInMemoryExporter(metrics));

    private static List<(Dictionary<string, object?> Tags, MetricPoint Point)> Points(List<Metric> metrics, string name)
    {
        List<(Dictionary<string, object?>, MetricPoint)> points = [];
        foreach (ref readonly MetricPoint point in metrics.Last(metric => metric.Name == name).GetMetricPoints())
        {
            Dictionary<string, object?> tags = [];
            foreach ((string key, object? value) in point.Tags)
                tags[key] = value;
            points.Add((tags, point));
        }
        return points;
    }
}
