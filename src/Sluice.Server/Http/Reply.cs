using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;
using Sluice.Server.Api;

namespace Sluice.Server.Http;

/// <summary>Writes answers: JSON, errors, and server-sent events.</summary>
internal static class Reply
{
    public static Task JsonAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type, int status = StatusCodes.Status200OK)
    {
        context.Response.StatusCode = status;
        return BytesAsync(context, JsonSerializer.SerializeToUtf8Bytes(value, type), "application/json");
    }

    public static Task TextAsync(HttpContext context, string text, string contentType)
    {
        context.Response.ContentType = contentType;
        return context.Response.WriteAsync(text, context.RequestAborted);
    }

    public static Task BytesAsync(HttpContext context, byte[] bytes, string contentType)
    {
        context.Response.ContentType = contentType;
        return context.Response.Body.WriteAsync(bytes, context.RequestAborted).AsTask();
    }

    public static Task ErrorAsync(HttpContext context, ApiException error)
    {
        if (error.RetryAfterSeconds is { } seconds)
            context.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return JsonAsync(context, ErrorBody(error), ApiJson.Default.ErrorReply, error.Status);
    }

    public static void BeginEvents(HttpContext context)
    {
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers["X-Accel-Buffering"] = "no"; // nginx would hold events back
    }

    public static async Task EventAsync<T>(HttpContext context, T value, JsonTypeInfo<T> type, string? name = null)
    {
        if (name is not null)
            await context.Response.WriteAsync($"event: {name}\n", context.RequestAborted);
        await context.Response.WriteAsync($"data: {JsonSerializer.Serialize(value, type)}\n\n", context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }

    public static Task EndEventsAsync(HttpContext context) => context.Response.WriteAsync("data: [DONE]\n\n", context.RequestAborted);

    public static ErrorReply ErrorBody(ApiException error) => new(new ErrorDetail(error.Message, error.Type, error.Param, error.Code));
}
