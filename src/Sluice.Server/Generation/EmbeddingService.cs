using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Sluice.Server.Http;

namespace Sluice.Server.Generation;

/// <summary>Hands texts to the engine for their embeddings: bounded, timed, counted.</summary>
internal sealed class EmbeddingService(Engine engine, ServerOptions options, ServerMetrics metrics)
{
    /// <summary>Embeds the texts of one API request, which waits as one however many they are; a few run at a time.</summary>
    /// <param name="context">The request: that its client left ends them.</param>
    /// <param name="requests">Valid ones.</param>
    /// <exception cref="ApiException">The queue is full, or the engine has stopped.</exception>
    public async Task<Embedding[]> RunAsync(HttpContext context, IReadOnlyList<EmbeddingRequest> requests)
    {
        if (!engine.IsAlive)
            throw new ApiException(503, "The engine has stopped.", code: "unavailable");
        if (!metrics.TryEnter(1, options.MaxQueue))
            throw ApiException.TooMany("The queue is full.");
        RequestRecord record = RequestRecord.Of(context);
        (record.Operation, record.PromptTokens) = (Operation.Embedding.Name, requests.Sum(request => request.Prompt.Count));
        using Activity? activity = metrics.Activities.StartActivity($"{Operation.Embedding.Name} {metrics.Model}", ActivityKind.Internal);
        foreach (KeyValuePair<string, object?> tag in metrics.Tags(Operation.Embedding))
            activity?.SetTag(tag.Key, tag.Value);
        activity?.SetTag("gen_ai.usage.input_tokens", record.PromptTokens);
        long start = Stopwatch.GetTimestamp();
        Embedding[] results = [];
        string? failure = null;
        try
        {
            using CancellationTokenSource cancellation = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
            cancellation.CancelAfter(options.RequestTimeout);
            ParallelOptions atOnce = new() { MaxDegreeOfParallelism = engine.Runner.Options.Running, CancellationToken = cancellation.Token };
            results = new Embedding[requests.Count];
            await Parallel.ForAsync(0, requests.Count, atOnce, async (i, stop) => results[i] = await engine.Embed(requests[i], stop));
            return results;
        }
        catch (Exception error)
        {
            failure = ServerMetrics.TypeOf(error);
            activity?.SetTag("error.type", failure).SetStatus(ActivityStatusCode.Error);
            if (error is ArgumentException) // as an adapter that has just gone
                throw ApiException.Bad(null, error.Message);
            throw;
        }
        finally
        {
            metrics.Leave(1);
            metrics.CountEmbeddings(results, failure, Stopwatch.GetElapsedTime(start));
        }
    }
}
