using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Sluice.Server.Api;
using Sluice.Tokenizers.Templates;

namespace Sluice.Server.Http;

/// <summary>Whatever goes wrong becomes an error in OpenAI's format: of the client's request alone, never of others.</summary>
internal sealed partial class Errors(ILogger<Errors> logger, TimeSpan timeout)
{
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        try
        {
            await next(context);
            if (!context.Response.HasStarted && context.Response.StatusCode is StatusCodes.Status404NotFound or StatusCodes.Status405MethodNotAllowed
                && context.Response.ContentType is null)
            {
                RequestRecord.Of(context).Error = "not_found";
                await Reply.ErrorAsync(context, new ApiException(
                    context.Response.StatusCode, $"There is no {context.Request.Method} {context.Request.Path}.", code: "not_found"));
            }
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // The client left; nobody reads an answer.
        }
        catch (IOException) when (context.RequestAborted.IsCancellationRequested)
        {
        }
        catch (Exception error)
        {
            ApiException told = Tell(error, timeout);
            RequestRecord.Of(context).Error = told.Code ?? told.Type;
            if (told.Status >= 500)
                LogFailure(logger, context.Request.Path, error);
            if (!context.Response.HasStarted)
            {
                context.Response.Clear();
                await Reply.ErrorAsync(context, told);
            }
            else
            {
                await Reply.EventAsync(context, Reply.ErrorBody(told), ApiJson.Default.ErrorReply);
            }
        }
    }

    /// <summary>What a client is told of an error.</summary>
    public static ApiException Tell(Exception error, TimeSpan timeout) => error switch
    {
        ApiException told => told,
        BadHttpRequestException bad => new ApiException(bad.StatusCode, bad.Message),
        TemplateException template => ApiException.Bad("messages", template.Message),
        OperationCanceledException => new ApiException(
            StatusCodes.Status408RequestTimeout, $"The request took longer than {timeout.TotalSeconds:0} seconds.", code: "timeout"),
        ObjectDisposedException => new ApiException(StatusCodes.Status503ServiceUnavailable, "The engine has stopped.", code: "unavailable"),
        _ => new ApiException(StatusCodes.Status500InternalServerError, "The server failed to answer this request.", code: "internal_error"),
    };

    [LoggerMessage(Level = LogLevel.Error, Message = "{Path} failed")]
    private static partial void LogFailure(ILogger logger, string path, Exception error);
}
