using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Sluice.Sampling;
using Sluice.Server.Http;

namespace Sluice.Server.Generation;

/// <summary>
/// Follows the generations of one API request: an OpenTelemetry span with the gen_ai names of its semantic conventions, and what
/// the request's log line says.
/// </summary>
internal sealed class GenerationTrace : IDisposable
{
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly RequestRecord _record;
    private readonly Activity? _span;

    /// <summary>Begins the span below that of the HTTP request, which goes on from the client's traceparent.</summary>
    public GenerationTrace(HttpContext context, Operation operation, IReadOnlyList<Request> requests, ServerMetrics metrics)
    {
        _record = RequestRecord.Of(context);
        _record.Operation = operation.Name;
        _record.PromptTokens = requests.Select(request => request.Prompt).Distinct().Sum(prompt => prompt.Count); // choices share theirs
        Activity? parent = Activity.Current;
        _span = metrics.Activities.StartActivity($"{operation.Name} {metrics.Model}", ActivityKind.Internal);
        Activity.Current = parent; // ends in another place than it begins
        if (_span is not { IsAllDataRequested: true } || requests.Count == 0)
            return;
        SamplingOptions sampling = requests[0].Sampling;
        foreach (KeyValuePair<string, object?> tag in metrics.Tags(operation))
            _span.SetTag(tag.Key, tag.Value);
        _span.SetTag("server.address", context.Request.Host.Host).SetTag("server.port", context.Request.Host.Port)
            .SetTag("gen_ai.request.choice.count", requests.Count > 1 ? requests.Count : null)
            .SetTag("gen_ai.request.max_tokens", requests[0].MaxTokens)
            .SetTag("gen_ai.request.temperature", (double)sampling.Temperature)
            .SetTag("gen_ai.request.top_p", (double)sampling.TopP)
            .SetTag("gen_ai.request.top_k", sampling.TopK > 0 ? sampling.TopK : null)
            .SetTag("gen_ai.request.presence_penalty", sampling.PresencePenalty != 0 ? (double)sampling.PresencePenalty : null)
            .SetTag("gen_ai.request.frequency_penalty", sampling.FrequencyPenalty != 0 ? (double)sampling.FrequencyPenalty : null)
            .SetTag("gen_ai.request.seed", sampling.Seed is { } seed ? unchecked((long)seed) : null);
    }

    public void Count(GeneratedToken token)
    {
        _record.GeneratedTokens++;
        _record.FirstToken ??= Stopwatch.GetElapsedTime(_start);
        if (token.Finish is { } reason)
            _record.Finish.Add(FinishReasons.Name(reason));
    }

    public void Fail(string type) => _span?.SetTag("error.type", type).SetStatus(ActivityStatusCode.Error);

    public void Dispose()
    {
        _span?.SetTag("gen_ai.usage.input_tokens", _record.PromptTokens)
            .SetTag("gen_ai.usage.output_tokens", _record.GeneratedTokens)
            .SetTag("gen_ai.response.finish_reasons", _record.Finish.ToArray());
        _span?.Dispose();
    }
}
