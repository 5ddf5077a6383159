using Microsoft.AspNetCore.Http;

namespace Sluice.Server.Http;

/// <summary>An error to tell a client, with the fields of OpenAI's error format.</summary>
internal sealed class ApiException(int status, string message, string? param = null, string? code = null) : Exception(message)
{
    public int Status => status;

    /// <summary>The field of the request that is wrong.</summary>
    public string? Param => param;

    public string? Code => code;

    /// <summary>When to come again.</summary>
    public int? RetryAfterSeconds { get; init; }

    public string Type => status switch
    {
        StatusCodes.Status401Unauthorized => "authentication_error",
        StatusCodes.Status429TooManyRequests => "rate_limit_error",
        >= 500 => "server_error",
        _ => "invalid_request_error",
    };

    public static ApiException Bad(string? param, string message) => new(StatusCodes.Status400BadRequest, message, param, "invalid_value");

    public static ApiException Unsupported(string param, string message) =>
        new(StatusCodes.Status400BadRequest, message, param, "unsupported_parameter");

    public static ApiException TooLong(string param, int tokens, int context) => new(
        StatusCodes.Status400BadRequest,
        $"This model's maximum context length is {context} tokens. However, your prompt has {tokens} tokens, which leaves no room for an answer.",
        param, "context_length_exceeded");

    public static ApiException TooMany(string message) => new(StatusCodes.Status429TooManyRequests, message, code: "rate_limit_exceeded")
    {
        RetryAfterSeconds = 1,
    };
}
