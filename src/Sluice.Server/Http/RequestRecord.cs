using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Sluice.Server.Http;

/// <summary>What becomes known of an HTTP request as it is answered, for its log line and its trace. Never what a user wrote.</summary>
internal sealed class RequestRecord(string id)
{
    /// <summary>The client's X-Request-Id, or one made here.</summary>
    public string Id => id;

    /// <summary>Which key it came with: the beginning of its SHA-256.</summary>
    public string? Key { get; set; }

    /// <summary>What it asked the model for; null where it asked nothing of the model.</summary>
    public string? Operation { get; set; }

    public int PromptTokens { get; set; }

    public int GeneratedTokens { get; set; }

    /// <summary>From the submission to the first token.</summary>
    public TimeSpan? FirstToken { get; set; }

    /// <summary>Why each of its generations ended.</summary>
    public List<string> Finish { get; } = [];

    /// <summary>The code of the error that it ended with.</summary>
    public string? Error { get; set; }

    public static RequestRecord Of(HttpContext context) => context.Features.GetRequiredFeature<RequestRecord>();
}
