using System.Diagnostics;
using System.Threading.Channels;
using Sluice.Chat;
using Sluice.Server.Http;

namespace Sluice.Server.Generation;

/// <summary>Hands requests to the engine: bounded, timed, counted.</summary>
internal sealed class GenerationService(Engine engine, ServerOptions options, ServerMetrics metrics)
{
    public Engine Engine => engine;

    public ServerOptions Options => options;

    /// <summary>Submits generations of one API request, to run together.</summary>
    /// <param name="requests">Valid ones: what the engine objects to is the client's error.</param>
    /// <param name="aborted">That the client left.</param>
    /// <param name="readers">What reads each request's answer, in conversations; a generation ends when its reader has seen enough.</param>
    /// <returns>Their tokens in the order of their coming.</returns>
    /// <exception cref="ApiException">The queue is full, or a request makes no sense.</exception>
    public IAsyncEnumerable<Piece> Start(IReadOnlyList<Request> requests, CancellationToken aborted, IReadOnlyList<AnswerReader>? readers = null)
    {
        foreach (Request request in requests)
            Check(request);
        if (!engine.IsAlive)
            throw new ApiException(503, "The engine has stopped.", code: "unavailable");
        if (!metrics.TryEnter(requests.Count, options.MaxQueue))
            throw ApiException.TooMany("The queue is full.");

        CancellationTokenSource cancellation = CancellationTokenSource.CreateLinkedTokenSource(aborted);
        cancellation.CancelAfter(options.RequestTimeout);
        List<IAsyncEnumerable<GeneratedToken>> streams = [];
        try
        {
            foreach (Request request in requests)
                streams.Add(engine.Generate(request, cancellation.Token));
        }
        catch (Exception error)
        {
            metrics.Leave(requests.Count);
            cancellation.Cancel(); // those already submitted end at the next step
            cancellation.Dispose();
            if (error is ArgumentException)
                throw ApiException.Bad(null, error.Message);
            throw;
        }
        Channel<Piece> merged = Channel.CreateUnbounded<Piece>(new() { SingleReader = true });
        Task[] pumps = [.. streams.Select((stream, i) => PumpAsync(i, stream, requests[i].Prompt.Count, readers?[i], merged.Writer, cancellation.Token))];
        return ReadAsync(merged, pumps, cancellation);
    }

    /// <summary>Runs generations to their end, for a reply in one piece.</summary>
    public async Task<Output[]> RunAsync(IReadOnlyList<Request> requests, CancellationToken aborted)
    {
        Output[] outputs = [.. requests.Select(_ => new Output())];
        await foreach (Piece piece in Start(requests, aborted))
            outputs[piece.Index].Add(piece.Token);
        return outputs;
    }

    private async Task PumpAsync(
        int index, IAsyncEnumerable<GeneratedToken> stream, int promptTokens, AnswerReader? reader, ChannelWriter<Piece> output, CancellationToken cancellation)
    {
        using Activity? activity = metrics.Activities.StartActivity("text_completion " + metrics.Model, ActivityKind.Server);
        activity?.SetTag("gen_ai.operation.name", "text_completion").SetTag("gen_ai.request.model", metrics.Model)
            .SetTag("gen_ai.usage.input_tokens", promptTokens);
        int count = 0;
        using ServerMetrics.GenerationClock clock = metrics.Begin(promptTokens);
        try
        {
            await foreach (GeneratedToken generated in stream.WithCancellation(cancellation).ConfigureAwait(false))
            {
                IReadOnlyList<ChatDelta> deltas = reader?.Read(generated) ?? [];
                GeneratedToken token = reader is { HasEnded: true } ? generated with { Finish = generated.Finish ?? FinishReason.Complete } : generated;
                clock.Count(token);
                count++;
                output.TryWrite(new Piece(index, token, deltas));
                if (token.Finish is not null)
                    break;
            }
            activity?.SetTag("gen_ai.usage.output_tokens", count);
        }
        catch (Exception error)
        {
            activity?.SetStatus(ActivityStatusCode.Error, error.GetType().Name);
            // What cannot be sampled (its bias rules out every token) is wrong with this request, not with the server.
            bool isTheirs = error is InvalidOperationException and not ObjectDisposedException && engine.IsAlive;
            output.TryComplete(isTheirs ? ApiException.Bad(null, error.Message) : error);
        }
    }

    private static async IAsyncEnumerable<Piece> ReadAsync(
        Channel<Piece> merged, Task[] pumps, CancellationTokenSource cancellation)
    {
        Task all = Task.WhenAll(pumps).ContinueWith(_ => merged.Writer.TryComplete(), TaskScheduler.Default);
        try
        {
            await foreach (Piece piece in merged.Reader.ReadAllAsync().ConfigureAwait(false))
                yield return piece;
        }
        finally
        {
            await cancellation.CancelAsync().ConfigureAwait(false);
            await all.ConfigureAwait(false);
            cancellation.Dispose();
        }
    }

    private void Check(Request request)
    {
        if (request.Prompt.Count == 0)
            throw ApiException.Bad("prompt", "The prompt has no tokens.");
        if (request.Prompt.Count >= engine.Context)
            throw ApiException.TooLong("messages", request.Prompt.Count, engine.Context);
    }
}

/// <summary>A token of one of several generations.</summary>
/// <param name="Index">Whose it is.</param>
/// <param name="Token">The token.</param>
/// <param name="Deltas">What of the answer became certain with it, in conversations.</param>
internal readonly record struct Piece(int Index, GeneratedToken Token, IReadOnlyList<ChatDelta> Deltas);

/// <summary>What a generation made, as it gathers.</summary>
internal sealed class Output
{
    private readonly System.Text.StringBuilder _text = new();

    public List<GeneratedToken> Tokens { get; } = [];

    public string Text => _text.ToString();

    public FinishReason? Finish => Tokens.Count == 0 ? null : Tokens[^1].Finish;

    public void Add(GeneratedToken token)
    {
        Tokens.Add(token);
        _text.Append(token.Text);
    }
}
