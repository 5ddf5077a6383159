using System.Threading.Channels;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Sluice.Chat;
using Sluice.Server.Http;

namespace Sluice.Server.Generation;

/// <summary>Hands requests to the engine: bounded, timed, counted.</summary>
internal sealed partial class GenerationService(Engine engine, ServerOptions options, ServerMetrics metrics, ILogger<GenerationService> logger)
{
    public Engine Engine => engine;

    public ServerOptions Options => options;

    /// <summary>Submits generations of one API request, to run together.</summary>
    /// <param name="context">The request: that its client left ends them.</param>
    /// <param name="operation">What the endpoint is.</param>
    /// <param name="requests">Valid ones: what the engine objects to is the client's error.</param>
    /// <param name="readers">What reads each request's answer, in conversations; a generation ends when its reader has seen enough.</param>
    /// <returns>Their tokens in the order of their coming.</returns>
    /// <exception cref="ApiException">The queue is full, or a request makes no sense.</exception>
    public IAsyncEnumerable<Piece> Start(
        HttpContext context, Operation operation, IReadOnlyList<Request> requests, IReadOnlyList<AnswerReader>? readers = null)
    {
        foreach (Request request in requests)
            Check(request, operation.PromptField);
        if (!engine.IsAlive)
            throw new ApiException(503, "The engine has stopped.", code: "unavailable");
        if (!metrics.TryEnter(requests.Count, options.MaxQueue))
            throw ApiException.TooMany("The queue is full.");

        CancellationTokenSource cancellation = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
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
        if (options.LogPrompts)
            LogPrompts(RequestRecord.Of(context).Id, requests);
        Generations all = new(operation, Channel.CreateUnbounded<Piece>(new() { SingleReader = true }),
            new GenerationTrace(context, operation, requests, metrics), cancellation);
        Task[] pumps = [.. streams.Select((stream, i) => PumpAsync(i, stream, requests[i].Prompt.Count, readers?[i], all))];
        return ReadAsync(all, pumps, options.LogPrompts ? RequestRecord.Of(context).Id : null);
    }

    /// <summary>Runs generations to their end, for a reply in one piece.</summary>
    public async Task<Output[]> RunAsync(HttpContext context, Operation operation, IReadOnlyList<Request> requests)
    {
        Output[] outputs = [.. requests.Select(_ => new Output())];
        await foreach (Piece piece in Start(context, operation, requests))
            outputs[piece.Index].Add(piece.Token);
        return outputs;
    }

    private async Task PumpAsync(int index, IAsyncEnumerable<GeneratedToken> stream, int promptTokens, AnswerReader? reader, Generations all)
    {
        using ServerMetrics.GenerationClock clock = metrics.Begin(all.Operation, promptTokens);
        try
        {
            await foreach (GeneratedToken generated in stream.WithCancellation(all.Cancellation.Token).ConfigureAwait(false))
            {
                IReadOnlyList<ChatDelta> deltas = reader?.Read(generated) ?? [];
                GeneratedToken token = reader is { HasEnded: true } ? generated with { Finish = generated.Finish ?? FinishReason.Complete } : generated;
                clock.Count(token);
                all.Pieces.Writer.TryWrite(new Piece(index, token, deltas));
                if (token.Finish is not null)
                    break;
            }
        }
        catch (Exception error)
        {
            string type = ServerMetrics.TypeOf(error);
            clock.Fail(type);
            all.Trace.Fail(type);
            // What cannot be sampled (its bias rules out every token) is wrong with this request, not with the server.
            bool isTheirs = error is InvalidOperationException and not ObjectDisposedException && engine.IsAlive;
            all.Pieces.Writer.TryComplete(isTheirs ? ApiException.Bad(null, error.Message) : error);
        }
    }

    private async IAsyncEnumerable<Piece> ReadAsync(Generations all, Task[] pumps, string? loggedAs)
    {
        Task ended = Task.WhenAll(pumps).ContinueWith(_ => all.Pieces.Writer.TryComplete(), TaskScheduler.Default);
        Dictionary<int, Output>? outputs = loggedAs is null ? null : [];
        try
        {
            await foreach (Piece piece in all.Pieces.Reader.ReadAllAsync().ConfigureAwait(false))
            {
                all.Trace.Count(piece.Token);
                if (outputs is not null && !outputs.TryAdd(piece.Index, new Output(piece.Token)))
                    outputs[piece.Index].Add(piece.Token);
                yield return piece;
            }
        }
        finally
        {
            await all.Cancellation.CancelAsync().ConfigureAwait(false);
            await ended.ConfigureAwait(false);
            all.Cancellation.Dispose();
            all.Trace.Dispose();
            foreach ((int index, Output output) in outputs ?? [])
                LogOutput(logger, loggedAs!, index, output.Text);
        }
    }

    private void Check(Request request, string promptField)
    {
        if (request.Prompt.Count == 0)
            throw ApiException.Bad(promptField, "The prompt has no tokens.");
        if (request.Prompt.Count >= engine.Context)
            throw ApiException.TooLong(promptField, request.Prompt.Count, engine.Context);
    }

    private void LogPrompts(string id, IReadOnlyList<Request> requests)
    {
        foreach (IReadOnlyList<int> prompt in requests.Select(request => request.Prompt).Distinct())
            LogPrompt(logger, id, engine.Tokenizer!.Decode([.. prompt], skipSpecial: false));
    }

    [LoggerMessage(Level = LogLevel.Information, EventId = 3, EventName = "Prompt", Message = "Request {RequestId} asks: {Prompt}")]
    private static partial void LogPrompt(ILogger logger, string requestId, string prompt);

    [LoggerMessage(Level = LogLevel.Information, EventId = 4, EventName = "Output", Message = "Request {RequestId} gets as choice {Choice}: {Output}")]
    private static partial void LogOutput(ILogger logger, string requestId, int choice, string output);

    /// <summary>The generations of one API request.</summary>
    private sealed record Generations(
        Operation Operation, Channel<Piece> Pieces, GenerationTrace Trace, CancellationTokenSource Cancellation);
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

    public Output()
    {
    }

    public Output(GeneratedToken first) => Add(first);

    public List<GeneratedToken> Tokens { get; } = [];

    public string Text => _text.ToString();

    public FinishReason? Finish => Tokens.Count == 0 ? null : Tokens[^1].Finish;

    public void Add(GeneratedToken token)
    {
        Tokens.Add(token);
        _text.Append(token.Text);
    }
}
