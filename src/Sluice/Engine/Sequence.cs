using System.Threading.Channels;
using Sluice.Cache;
using Sluice.Sampling;
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

    /// <summary>The most tokens that will be generated.</summary>
    public int MaxTokens { get; }

    /// <summary>What is cached; null while the request waits.</summary>
    public SequenceCache? Cache { get; set; }

    /// <summary>The tokens that a step has yet to run: the rest of the prompt, or the token generated last.</summary>
    public int Pending => _tokens.Count - (Cache?.Length ?? 0);

    /// <summary>The tokens that the step under way runs.</summary>
    public int Scheduled { get; set; }

    /// <summary>Whether the last token was delivered.</summary>
    public bool IsFinished { get; private set; }

    /// <summary>Where the output is read.</summary>
    public ChannelReader<GeneratedToken> Output => _output.Reader;

    private int Generated => _tokens.Count - Request.Prompt.Count;

    /// <summary>A pending token, counted from the first that is not cached.</summary>
    public int PendingToken(int index) => _tokens[Cache!.Length + index];

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
        _output.Writer.TryWrite(new GeneratedToken(token.Id, text, token.LogProbability, finish) { TopLogProbabilities = top });
        if (finish is not null)
            Finish(null);
    }

    /// <summary>Ends the output, with an error or without, and gives the cache back.</summary>
    public void Finish(Exception? error)
    {
        IsFinished = true;
        Cache?.Dispose();
        _output.Writer.TryComplete(error);
    }
}
