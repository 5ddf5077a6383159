using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Sluice.Cache;
using Sluice.Sampling;
using Sluice.Tensors;
using Sluice.Tensors.KvFormats;
using Sluice.Tokenizers;

namespace Sluice;

/// <summary>A request in the engine: its tokens so far, what of them is cached, and where its output goes.</summary>
internal sealed class Sequence
{
    private readonly List<int> _tokens;
    private readonly Sampler _sampler;
    private readonly StreamingDetokenizer? _detokenizer;
    private readonly StopMatcher _stops;
    private readonly Tokenizer? _tokenizer;
    private readonly long _submitted = Stopwatch.GetTimestamp();
    private long _started, _firstToken;
    private int _cachedPrompt;
    private readonly Channel<GeneratedToken> _output = Channel.CreateUnbounded<GeneratedToken>(
        new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

    public Sequence(Request request, int vocabulary, int context, Tokenizer? tokenizer, CancellationToken cancellation)
    {
        Request = request;
        Cancellation = cancellation;
        MaxTokens = Math.Min(request.MaxTokens ?? int.MaxValue, context - request.Prompt.Count);
        _tokens = [.. request.Prompt];
        _tokenizer = tokenizer;
        _sampler = new Sampler(request.Sampling, vocabulary);
        foreach (int token in request.Prompt)
            _sampler.Accept(token);
        _detokenizer = tokenizer is null ? null : new StreamingDetokenizer(tokenizer, isContinuation: true);
        _stops = new StopMatcher(request.Stop);
    }

    public Request Request { get; }

    public CancellationToken Cancellation { get; }

    /// <summary>When it was submitted, by the machine's clock.</summary>
    public TimeSpan Arrival => Stopwatch.GetElapsedTime(0, _submitted);

    /// <summary>Its place in the scheduler's order: lower goes first.</summary>
    public (long Rank, long Arrival) Place { get; set; }

    /// <summary>How often it was set aside.</summary>
    public int Preemptions { get; private set; }

    /// <summary>The most tokens that will be generated.</summary>
    public int MaxTokens { get; }

    /// <summary>What is cached; null while the request waits.</summary>
    public SequenceCache? Cache { get; set; }

    /// <summary>Its tokens so far: the prompt and what was generated.</summary>
    public int Length => _tokens.Count;

    /// <summary>
    /// The tokens that a step has yet to run: the rest of the prompt, or the token generated last; after it was set aside, all
    /// that are no longer cached.
    /// </summary>
    public int Pending => _tokens.Count - (Cache?.Length ?? 0);

    /// <summary>The tokens that the next step, or the one under way, runs.</summary>
    public int Scheduled { get; set; }

    /// <summary>Whether a step runs some of its tokens right now, so that its cache must stay as it is.</summary>
    public bool IsInFlight { get; private set; }

    /// <summary>What kind of step it needs: its prompt is read, or read again, until the next token can be chosen.</summary>
    public StepRole Needs { get; private set; } = StepRole.Prompts;

    /// <summary>Whether it ended, with its last token or with an error.</summary>
    public bool IsFinished { get; private set; }

    /// <summary>What it ended with; null for a last token.</summary>
    public Exception? Error { get; private set; }

    /// <summary>Where the output is read.</summary>
    public ChannelReader<GeneratedToken> Output => _output.Reader;

    private int Generated => _tokens.Count - Request.Prompt.Count;

    private ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(_tokens);

    /// <summary>Notes that it was admitted.</summary>
    public void Started()
    {
        if (_started == 0)
            _started = Stopwatch.GetTimestamp();
    }

    /// <summary>Frees its cache; it goes on later from its tokens.</summary>
    public void SetAside()
    {
        Cache!.Dispose();
        Cache = null;
        Scheduled = 0;
        Needs = StepRole.Prompts;
        Preemptions++;
    }

    /// <summary>Takes from the cache what others have computed of its tokens, but for the last, whose logits are wanted.</summary>
    /// <returns>The tokens that need not be computed.</returns>
    public int Reuse() => Reused(Cache!.Reuse(Tokens[..^1]));

    /// <summary>Reads from disk what was evicted of its tokens, but for the last.</summary>
    /// <returns>The tokens that need not be computed.</returns>
    public int Load() => Reused(Cache!.Load(Tokens[..^1]));

    private int Reused(int reused)
    {
        if (Generated == 0 && Preemptions == 0)
            _cachedPrompt += reused;
        return reused;
    }

    /// <summary>
    /// Whether another, which is about to be computed, goes on with the same block of tokens, so that this one need only wait
    /// for it.
    /// </summary>
    public bool WillFindBlockOf(Sequence other)
    {
        const int Size = KvFormat.BlockSize;
        int start = Cache!.SharedLength;
        return Cache.IsAlongside(other.Cache!) && Cache.Length == start
            && _tokens.Count > start + Size && other._tokens.Count >= start + Size
            && Tokens.Slice(start, Size).SequenceEqual(other.Tokens.Slice(start, Size));
    }

    /// <summary>Adds its share of the step to a batch.</summary>
    public void AddTo(Batch batch)
    {
        IsInFlight = true;
        Cache!.Begin(batch);
        for (int i = 0; i < Scheduled; i++)
            batch.Add(_tokens[Cache.Length + i], wantOutput: i == Pending - 1);
    }

    /// <summary>Counts its share of the step as cached.</summary>
    /// <returns>Whether all its tokens are, so that the next is to be sampled.</returns>
    public bool Commit()
    {
        Cache!.Commit(Scheduled, Tokens);
        (IsInFlight, Scheduled) = (false, 0);
        if (Pending > 0)
            return false;
        Needs = StepRole.Decode;
        return true;
    }

    /// <summary>Chooses the next token and delivers it.</summary>
    /// <param name="logits">Of the last token [vocabulary]; changed.</param>
    public void Sample(Span<float> logits)
    {
        SampledToken token = _sampler.Sample(logits);
        _sampler.Accept(token.Id);
        _tokens.Add(token.Id);

        bool isEnd = !Request.IgnoreEnd && _tokenizer is not null && _tokenizer.IsEndOfGeneration(token.Id);
        string text = isEnd || _detokenizer is null ? "" : _stops.Append(_detokenizer.Append(token.Id));
        FinishReason? finish =
            isEnd ? FinishReason.EndOfText
            : _stops.IsStopped ? FinishReason.StopString
            : Generated < MaxTokens ? null
            : Generated == Request.MaxTokens ? FinishReason.MaxTokens
            : FinishReason.ContextFull;
        if (finish is not null and not FinishReason.StopString && _detokenizer is not null)
            text += _stops.Append(_detokenizer.Flush()) + _stops.Flush();
        IReadOnlyList<SampledToken> top = Request.Sampling.LogProbs > 0 ? [.. _sampler.TopLogProbabilities] : [];
        if (_firstToken == 0)
            _firstToken = Stopwatch.GetTimestamp();
        Completion? completion = finish is null ? null : Summary();
        _output.Writer.TryWrite(new GeneratedToken(token.Id, text, token.LogProbability, finish) { TopLogProbabilities = top, Completion = completion });
        if (finish is not null)
            Finish(null);
    }

    /// <summary>Ends the output, with an error or without, and gives the cache back.</summary>
    public void Finish(Exception? error)
    {
        End(error);
        Cache?.Dispose();
    }

    /// <summary>Ends the output alone, for when the whole cache goes.</summary>
    public void End(Exception? error)
    {
        (IsFinished, Error) = (true, error);
        _output.Writer.TryComplete(error);
    }

    private Completion Summary() => new()
    {
        PromptTokens = Request.Prompt.Count,
        CachedPromptTokens = _cachedPrompt,
        GeneratedTokens = Generated,
        Preemptions = Preemptions,
        Queued = Stopwatch.GetElapsedTime(_submitted, _started),
        FirstToken = Stopwatch.GetElapsedTime(_submitted, _firstToken),
        LastToken = Stopwatch.GetElapsedTime(_submitted),
    };
}
