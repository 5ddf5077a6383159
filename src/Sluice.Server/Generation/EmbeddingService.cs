using System.Diagnostics;
using Sluice.Server.Http;

namespace Sluice.Server.Generation;

/// <summary>Hands texts to the engine for their embeddings: bounded, timed, counted.</summary>
internal sealed class EmbeddingService(Engine engine, ServerOptions options, ServerMetrics metrics)
{
    /// <summary>Embeds the texts of one API request, which waits as one however many they are; a few run at a time.</summary>
    /// <param name="requests">Valid ones.</param>
    /// <param name="aborted">That the client left.</param>
    /// <exception cref="ApiException">The queue is full, or the engine has stopped.</exception>
    public async Task<Embedding[]> RunAsync(IReadOnlyList<EmbeddingRequest> requests, CancellationToken aborted)
    {
        if (!engine.IsAlive)
            throw new ApiException(503, "The engine has stopped.", code: "unavailable");
        if (!metrics.TryEnter(1, options.MaxQueue))
            throw ApiException.TooMany("The queue is full.");
        using Activity? activity = metrics.Activities.StartActivity("embeddings " + metrics.Model, ActivityKind.Server);
        activity?.SetTag("gen_ai.operation.name", "embeddings").SetTag("gen_ai.request.model", metrics.Model);
        long start = Stopwatch.GetTimestamp();
        Embedding[]? results = null;
        try
        {
            using CancellationTokenSource cancellation = CancellationTokenSource.CreateLinkedTokenSource(aborted);
            cancellation.CancelAfter(options.RequestTimeout);
            ParallelOptions atOnce = new() { MaxDegreeOfParallelism = engine.Runner.Options.Running, CancellationToken = cancellation.Token };
            Embedding[] gathered = new Embedding[requests.Count];
            await Parallel.ForAsync(0, requests.Count, atOnce, async (i, stop) => gathered[i] = await engine.Embed(requests[i], stop));
            return results = gathered;
        }
        catch (ArgumentException error) // as an adapter that has just gone
        {
            throw ApiException.Bad(null, error.Message);
        }
        finally
        {
            metrics.Leave(1);
            metrics.CountEmbeddings(results, Stopwatch.GetElapsedTime(start));
        }
    }
}
