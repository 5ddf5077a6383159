using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Sluice.Server.Generation;
using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>What the server says of itself: models, health, load, metrics.</summary>
internal sealed class StateEndpoints(ApiContext api, IHostApplicationLifetime lifetime, string version)
{
    /// <summary>The model, then its adapters.</summary>
    public Task ModelsAsync(HttpContext context) => Reply.JsonAsync(
        context, new("list", [Entry(null), .. api.Engine.Adapters.Select(adapter => Entry(adapter.Name))]), ApiJson.Default.ModelList);

    public Task ModelAsync(HttpContext context)
    {
        // Routing leaves slashes that were escaped as they are.
        string? adapter = api.CheckModel(((string?)context.Request.RouteValues["id"])?.Replace("%2F", "/", StringComparison.OrdinalIgnoreCase));
        return Reply.JsonAsync(context, Entry(adapter), ApiJson.Default.ModelEntry);
    }

    /// <summary>Whether the engine lives.</summary>
    public Task HealthAsync(HttpContext context) => StateAsync(context, api.Engine.IsAlive, "ok", "the engine has stopped");

    /// <summary>Whether new requests are welcome: not while the server stops.</summary>
    public Task ReadyAsync(HttpContext context) =>
        StateAsync(context, api.Engine.IsAlive && !lifetime.ApplicationStopping.IsCancellationRequested, "ready", "not ready");

    public Task VersionAsync(HttpContext context) => Reply.JsonAsync(context, new(version), ApiJson.Default.VersionReply);

    public Task MetricsAsync(HttpContext context) => Reply.TextAsync(context, PrometheusPage.Write(api.Metrics), PrometheusPage.ContentType);

    public Task LoadAsync(HttpContext context)
    {
        ServerMetrics metrics = api.Metrics;
        EngineStatistics engine = metrics.Engine;
        LoadReply load = new(
            metrics.Running, metrics.Waiting, engine.CacheUse, engine.Blocks, engine.FreeBlocks, metrics.PromptTokens,
            metrics.GeneratedTokens, Enum.GetValues<FinishReason>().Sum(metrics.Finished), metrics.FirstToken.Mean, metrics.InterToken.Mean,
            metrics.EndToEnd.Mean, Stopwatch.GetElapsedTime(metrics.Start).TotalSeconds, api.Model);
        return Reply.JsonAsync(context, load, ApiJson.Default.LoadReply);
    }

    private ModelEntry Entry(string? adapter) =>
        new(adapter ?? api.Model, "model", api.Created, "sluice", api.Engine.Context, new(api.Vocabulary), adapter is null ? null : api.Model);

    private static Task StateAsync(HttpContext context, bool isWell, string well, string ill) => Reply.JsonAsync(
        context, new(isWell ? well : ill), ApiJson.Default.StateReply, isWell ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
}
