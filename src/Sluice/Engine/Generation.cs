using System.Diagnostics;
using System.Threading.Channels;
using Sluice.Grammars;
using Sluice.Sampling;
using Sluice.Tokenizers;

namespace Sluice;

/// <summary>A request for a continuation: how its next token is chosen, and where its output goes.</summary>
internal sealed class Generation : Sequence
{
    private readonly Request _request;
    private readonly int _maxTokens;
    private readonly Sampler _sampler;
    private readonly StreamingDetokenizer? _detokenizer;
    private readonly StopMatcher _stops;
    private readonly GrammarMatcher? _grammar; // follows what is generated; the prompt is none of its text
    private readonly PromptScores? _scores;
    private readonly Tokenizer? _tokenizer;
    private long _firstToken;
    private readonly Channel<GeneratedToken> _output = Channel.CreateUnbounded<GeneratedToken>(
        new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

    public Generation(Request request, int vocabulary, int context, Tokenizer? tokenizer, CancellationToken cancellation)
        : base(request.Prompt, request.Priority, cancellation)
    {
        _request = request;
        _maxTokens = Math.Min(request.MaxTokens ?? int.MaxValue, context - request.Prompt.Count);
        _tokenizer = tokenizer;
        _sampler = new Sampler(request.Sampling, vocabulary);
        foreach (int token in request.Prompt)
            _sampler.Accept(token, isPrompt: true);
        _detokenizer = tokenizer is null ? null : new StreamingDetokenizer(tokenizer, isContinuation: true, shown: request.ShownTokens);
        _stops = new StopMatcher(request.Stop);
        _grammar = request.Grammar?.Match(tokenizer ?? throw new ArgumentException("A grammar needs a model that has a vocabulary.", nameof(request)));
        _scores = request.PromptLogProbs is { } top ? new PromptScores(request.Prompt, vocabulary, top) : null;
    }

    /// <summary>Where the output is read.</summary>
    public ChannelReader<GeneratedToken> Output => _output.Reader;

    public override bool IsScored => _scores is { IsComplete: false };

    /// <summary>All but the last, whose logits are wanted; of a prompt that is scored, those that are.</summary>
    public override int Reusable => IsScored ? _scores!.Rows : Length - 1;

    private int Generated => Length - PromptTokens;

    protected override bool WantsLogits(int index) => index == Length - 1 || _scores?.Wants(index) == true;

    protected override bool WantsHidden(int index) => false;

    /// <inheritdoc/>
    /// <remarks>A request that cannot be sampled (its bias rules out every token) fails alone.</remarks>
    protected override bool Receive(int first, int end, ref StepOutputs outputs)
    {
        for (int index = first; index < end && IsScored; index++)
        {
            if (_scores!.Wants(index))
                _scores.Add(outputs.NextLogits());
        }
        if (Pending > 0)
            return false;
        try
        {
            Sample(outputs.NextLogits());
        }
        catch (InvalidOperationException error)
        {
            Finish(error);
        }
        return true;
    }

    protected override void Complete(Exception? error) => _output.Writer.TryComplete(error);

    /// <summary>Chooses the next token and delivers it.</summary>
    /// <param name="logits">Of the last token [vocabulary]; changed.</param>
    private void Sample(Span<float> logits)
    {
        SampledToken token = _sampler.Sample(logits, _grammar is null ? [] : _grammar.Allowed);
        _sampler.Accept(token.Id);
        _grammar?.Accept(token.Id);
        Append(token.Id);

        // Behind a token that ends the text a grammar has nothing more to say, whatever else was asked for.
        bool isEnd = (!_request.IgnoreEnd || _grammar is not null) && _tokenizer is not null && _tokenizer.IsEndOfGeneration(token.Id);
        string text = isEnd || _detokenizer is null ? "" : _stops.Append(_detokenizer.Append(token.Id));
        FinishReason? finish =
            isEnd ? FinishReason.EndOfText
            : _stops.IsStopped ? FinishReason.StopString
            : _grammar is { IsComplete: true } ? FinishReason.Complete
            : Generated < _maxTokens ? null
            : Generated == _request.MaxTokens ? FinishReason.MaxTokens
            : FinishReason.ContextFull;
        if (finish is not null and not FinishReason.StopString && _detokenizer is not null)
            text += _stops.Append(_detokenizer.Flush()) + _stops.Flush();
        IReadOnlyList<SampledToken> top = _request.Sampling.LogProbs > 0 ? [.. _sampler.TopLogProbabilities] : [];
        if (_firstToken == 0)
            _firstToken = Stopwatch.GetTimestamp();
        _output.Writer.TryWrite(new GeneratedToken(token.Id, text, token.LogProbability, finish)
        {
            TopLogProbabilities = top,
            Prompt = Generated == 1 ? _scores?.Tokens : null,
            Completion = finish is null ? null : Summary(),
        });
        if (finish is not null)
            Finish(null);
    }

    private Completion Summary() => new()
    {
        PromptTokens = PromptTokens,
        CachedPromptTokens = CachedPromptTokens,
        GeneratedTokens = Generated,
        Preemptions = Preemptions,
        Queued = Stopwatch.GetElapsedTime(Submitted, Admitted),
        FirstToken = Stopwatch.GetElapsedTime(Submitted, _firstToken),
        LastToken = Stopwatch.GetElapsedTime(Submitted),
    };
}
