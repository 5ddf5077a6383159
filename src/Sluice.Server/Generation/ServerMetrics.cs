using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Sluice.Server.Generation;

/// <summary>
/// What the server counts: for OpenTelemetry through the meter and the activity source named "Sluice.Server" (the gen_ai names
/// of its semantic conventions), and for the Prometheus page.
/// </summary>
internal sealed class ServerMetrics : IDisposable
{
    public const string SourceName = "Sluice.Server";

    private const string Cancelled = "cancelled";

    private readonly Meter _meter = new(SourceName);
    private readonly Histogram<double> _duration, _firstToken, _perToken;
    private readonly Histogram<long> _tokenUsage;
    private readonly Engine _engine;
    private readonly long[] _finished = new long[Enum.GetValues<FinishReason>().Length];
    private int _waiting, _running;
    private long _promptTokens, _generatedTokens, _failed, _embeddings;

    public ServerMetrics(Engine engine, string model)
    {
        (_engine, Model) = (engine, model);
        // The buckets are those that the semantic conventions advise.
        _duration = Times("gen_ai.server.request.duration", "From a request's arrival to its last token.",
            0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92);
        _firstToken = Times("gen_ai.server.time_to_first_token", "From a request's arrival to its first token.",
            0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10);
        _perToken = Times("gen_ai.server.time_per_output_token", "Between a request's tokens after the first: the mean of each request.",
            0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5);
        _tokenUsage = _meter.CreateHistogram("gen_ai.client.token.usage", "{token}", "Tokens of a request.", advice: new InstrumentAdvice<long>
        {
            HistogramBucketBoundaries = [.. Enumerable.Range(0, 14).Select(i => 1L << (2 * i))],
        });
        _meter.CreateObservableGauge("sluice.requests.waiting", () => Waiting, "{request}", "Requests without a token yet.");
        _meter.CreateObservableGauge("sluice.requests.running", () => Running, "{request}", "Requests that generate.");
        _meter.CreateObservableGauge("sluice.kv.usage", () => Engine.CacheUse, "1", "The share of KV blocks in use.");
    }

    public string Model { get; }

    public ActivitySource Activities { get; } = new(SourceName);

    /// <summary>When the server began (a <see cref="Stopwatch"/> time).</summary>
    public long Start { get; } = Stopwatch.GetTimestamp();

    /// <summary>Generations without a token yet, and those with one.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    public int Running => Volatile.Read(ref _running);

    public long PromptTokens => Interlocked.Read(ref _promptTokens);

    public long GeneratedTokens => Interlocked.Read(ref _generatedTokens);

    /// <summary>Generations that ended with an error, a cancellation or a client that left.</summary>
    public long Failed => Interlocked.Read(ref _failed);

    public Histogram FirstToken { get; } = Histogram.Seconds();

    public Histogram InterToken { get; } = Histogram.Seconds();

    public Histogram EndToEnd { get; } = Histogram.Seconds();

    /// <summary>Texts whose embeddings were made; their tokens are among <see cref="PromptTokens"/>.</summary>
    public long Embeddings => Interlocked.Read(ref _embeddings);

    /// <summary>What the engine counts itself.</summary>
    public EngineStatistics Engine => _engine.Statistics;

    public long Finished(FinishReason reason) => Interlocked.Read(ref _finished[(int)reason]);

    public void Dispose()
    {
        _meter.Dispose();
        Activities.Dispose();
    }

    /// <summary>Counts new generations as waiting unless that makes more than the limit.</summary>
    public bool TryEnter(int count, int limit)
    {
        if (Interlocked.Add(ref _waiting, count) <= limit)
            return true;
        Interlocked.Add(ref _waiting, -count);
        return false;
    }

    /// <summary>Takes back what <see cref="TryEnter"/> counted, for generations that never began.</summary>
    public void Leave(int count) => Interlocked.Add(ref _waiting, -count);

    /// <summary>Counts an API request for embeddings.</summary>
    /// <param name="made">What it got.</param>
    /// <param name="failure">What ended it instead (<see cref="TypeOf"/>).</param>
    /// <param name="time">What it took.</param>
    public void CountEmbeddings(IReadOnlyCollection<Embedding> made, string? failure, TimeSpan time)
    {
        TagList tags = Tags(Operation.Embedding);
        if (failure is not null)
        {
            tags.Add("error.type", failure);
            _duration.Record(time.TotalSeconds, tags);
            Interlocked.Increment(ref _failed);
            return;
        }
        long tokens = made.Sum(embedding => (long)embedding.PromptTokens);
        Interlocked.Add(ref _embeddings, made.Count);
        Interlocked.Add(ref _promptTokens, tokens);
        _duration.Record(time.TotalSeconds, tags);
        tags.Add("gen_ai.token.type", "input");
        _tokenUsage.Record(tokens, tags);
    }

    /// <summary>Follows one generation that was counted as waiting.</summary>
    public GenerationClock Begin(Operation operation, int promptTokens) => new(this, operation, promptTokens);

    /// <summary>What the semantic conventions call an error.</summary>
    public static string TypeOf(Exception error) => error is OperationCanceledException ? Cancelled : error.GetType().FullName!;

    /// <summary>What the semantic conventions want said of every operation.</summary>
    public TagList Tags(Operation operation) => new(
        new("gen_ai.operation.name", operation.Name),
        new("gen_ai.provider.name", "sluice"),
        new("gen_ai.request.model", Model),
        new("gen_ai.response.model", Model));

    private Histogram<double> Times(string name, string description, params double[] buckets) =>
        _meter.CreateHistogram(name, "s", description, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = buckets });

    /// <summary>The times of one generation.</summary>
    internal sealed class GenerationClock(ServerMetrics metrics, Operation operation, int promptTokens) : IDisposable
    {
        private readonly long _start = Stopwatch.GetTimestamp();
        private readonly TagList _tags = metrics.Tags(operation);
        private long _first, _last;
        private long _tokens;
        private FinishReason? _finish;
        private string? _error;

        /// <summary>Notes that it ended with an error.</summary>
        public void Fail(string type) => _error = type;

        public void Count(GeneratedToken token)
        {
            long now = Stopwatch.GetTimestamp();
            _finish = token.Finish;
            Interlocked.Increment(ref metrics._generatedTokens);
            if (_tokens++ == 0)
            {
                Interlocked.Decrement(ref metrics._waiting);
                Interlocked.Increment(ref metrics._running);
                Interlocked.Add(ref metrics._promptTokens, promptTokens);
                _first = now;
                double first = Stopwatch.GetElapsedTime(_start, now).TotalSeconds;
                metrics.FirstToken.Add(first);
                metrics._firstToken.Record(first, _tags);
            }
            else
            {
                metrics.InterToken.Add(Stopwatch.GetElapsedTime(_last, now).TotalSeconds);
            }
            _last = now;
        }

        public void Dispose()
        {
            Interlocked.Decrement(ref _tokens == 0 ? ref metrics._waiting : ref metrics._running);
            double seconds = Stopwatch.GetElapsedTime(_start).TotalSeconds;
            TagList tags = _tags;
            if (_finish is null)
                tags.Add("error.type", _error ?? Cancelled);
            metrics._duration.Record(seconds, tags);
            if (_finish is { } reason)
            {
                metrics.EndToEnd.Add(seconds);
                if (_tokens > 1)
                    metrics._perToken.Record(Stopwatch.GetElapsedTime(_first, _last).TotalSeconds / (_tokens - 1), _tags);
                metrics._tokenUsage.Record(promptTokens, [.. _tags, new("gen_ai.token.type", "input")]);
                metrics._tokenUsage.Record(_tokens, [.. _tags, new("gen_ai.token.type", "output")]);
                Interlocked.Increment(ref metrics._finished[(int)reason]);
            }
            else
            {
                Interlocked.Increment(ref metrics._failed);
            }
        }
    }
}
