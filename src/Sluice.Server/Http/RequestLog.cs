using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Sluice.Server.Http;

/// <summary>Gives every request an id and writes a line about it: facts and counts, nothing that a user wrote.</summary>
internal sealed partial class RequestLog(ILogger<RequestLog> logger, string model)
{
    private const string Header = "X-Request-Id";
    private const int MaxIdLength = 128;
    private const int ClientClosedRequest = 499; // as nginx calls it

    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        long start = Stopwatch.GetTimestamp();
        RequestRecord record = new(IdOf(context));
        context.Features.Set(record);
        context.Response.OnStarting(() =>
        {
            context.Response.Headers[Header] = record.Id;
            return Task.CompletedTask;
        });
        await next(context);

        // What only looks at the server's state comes every second from dashboards and probes.
        LogLevel level = HttpMethods.IsPost(context.Request.Method) || context.Response.StatusCode >= 400 ? LogLevel.Information : LogLevel.Debug;
        if (!logger.IsEnabled(level))
            return;
        string method = context.Request.Method, path = context.Request.Path.ToUriComponent();
        int status = context.RequestAborted.IsCancellationRequested && record.Error is null ? ClientClosedRequest : context.Response.StatusCode;
        double milliseconds = Milliseconds(Stopwatch.GetElapsedTime(start));
        if (record.Operation is null)
        {
            LogRequest(logger, level, method, path, status, milliseconds, record.Id, record.Key ?? "-", record.Error ?? "-");
            return;
        }
        LogGeneration(
            logger, level, method, path, status, milliseconds, record.Id, record.Key ?? "-", record.Error ?? "-", record.Operation, model,
            record.PromptTokens, record.GeneratedTokens, record.FirstToken is { } first ? Milliseconds(first) : null, string.Join(',', record.Finish));
    }

    /// <summary>The client's id where it is one that can stand in a log as it is.</summary>
    private static string IdOf(HttpContext context) =>
        context.Request.Headers[Header].ToString() is { Length: > 0 and <= MaxIdLength } given && given.All(c => char.IsAsciiLetterOrDigit(c) || "-_.:".Contains(c))
            ? given
            : Guid.NewGuid().ToString("N");

    private static double Milliseconds(TimeSpan time) => Math.Round(time.TotalMilliseconds, 2);

    [LoggerMessage(EventId = 1, EventName = "Request", Message = "{Method} {Path} {Status} in {DurationMs} ms; request {RequestId}, key {Key}, error {Error}")]
    private static partial void LogRequest(
        ILogger logger, LogLevel level, string method, string path, int status, double durationMs, string requestId, string key, string error);

    [LoggerMessage(EventId = 2, EventName = "Generation", Message = "{Method} {Path} {Status} in {DurationMs} ms; request {RequestId}, key {Key}, error {Error}; "
        + "{Operation} by {Model}: {PromptTokens} prompt tokens, {GeneratedTokens} generated, the first after {FirstTokenMs} ms, finish {Finish}")]
    private static partial void LogGeneration(
        ILogger logger, LogLevel level, string method, string path, int status, double durationMs, string requestId, string key, string error,
        string operation, string model, int promptTokens, int generatedTokens, double? firstTokenMs, string finish);
}
