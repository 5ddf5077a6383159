namespace Sluice.Sampling;

/// <summary>Chooses the tokens of one request. Not for use by several threads at once.</summary>
/// <remarks>
/// <para>
/// The order is what a grammar allows, logit bias, penalties, top-k, typical, top-p, min-p, temperature: that of llama.cpp, whose settings users
/// bring along. Temperature comes last, so that what the filters keep does not depend on it: raising it makes the choice among
/// the kept tokens freer without letting in noise. (Where temperature comes first, as in Hugging Face's chain, the same top-p
/// means another set of tokens at each temperature.) A tie goes to the lower token id.
/// </para>
/// <para>
/// A logit that is NaN counts as negative infinity (never chosen); positive infinity counts as the largest float. Each choice
/// takes one random number, and all arithmetic that decides is the same on every processor: the same seed and the same logits
/// give the same tokens. After the first token nothing is allocated, unless a flatter distribution than any before needs more
/// room, or the penalties look at an unlimited window.
/// </para>
/// </remarks>
public sealed class Sampler
{
    private readonly SamplingOptions _options;
    private readonly int _vocabulary;
    private readonly KeyValuePair<int, float>[] _bias;
    private readonly Penalties? _penalties;
    private readonly LogProbabilities? _logProbabilities;
    private Candidates? _candidates;
    private Xoshiro256 _random;

    /// <summary>A sampler at the start of a text.</summary>
    /// <param name="options">How to choose.</param>
    /// <param name="vocabulary">The length of the logits.</param>
    /// <exception cref="ArgumentException">An option is out of its range, or a bias is for a token that there is not.</exception>
    public Sampler(SamplingOptions options, int vocabulary)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabulary);
        options.Validate();
        _options = options;
        _vocabulary = vocabulary;
        _bias = options.LogitBias?.ToArray() ?? [];
        foreach ((int token, _) in _bias)
        {
            if (token >= vocabulary)
                throw new ArgumentException($"LogitBias names token {token}; the vocabulary has {vocabulary}.", nameof(options));
        }
        if (Penalties.AreWanted(options))
            _penalties = new Penalties(options);
        if (options.LogProbs is int count)
            _logProbabilities = new LogProbabilities(vocabulary, count);
        Seed = options.Seed ?? (ulong)Random.Shared.NextInt64(long.MinValue, long.MaxValue);
        _random = new Xoshiro256(Seed);
    }

    /// <summary>Where the random numbers started: the option, or the seed that was drawn for this request.</summary>
    public ulong Seed { get; }

    /// <summary>
    /// The most likely tokens at the last choice, the likeliest first, as many as <see cref="SamplingOptions.LogProbs"/> asked
    /// for; valid until the next one.
    /// </summary>
    public ReadOnlySpan<SampledToken> TopLogProbabilities => _logProbabilities is null ? [] : _logProbabilities.Top;

    /// <summary>
    /// Adds a token to the text that the penalties look at: each of the prompt's, then each that was chosen.
    /// </summary>
    /// <param name="token">The token.</param>
    /// <param name="isPrompt">Whether it is the prompt's.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public void Accept(int token, bool isPrompt = false)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(token);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(token, _vocabulary);
        _penalties?.Accept(token, isPrompt);
    }

    /// <summary>Chooses the next token. The caller tells <see cref="Accept"/> whether it becomes part of the text.</summary>
    /// <param name="logits">What the model says of each token [vocabulary]; overwritten.</param>
    /// <param name="allowed">A bit for each token that may be chosen, from the lowest of the first element; empty for all.</param>
    /// <exception cref="ArgumentException">There are not as many logits as tokens.</exception>
    /// <exception cref="InvalidOperationException">No token can be chosen: all logits are NaN or negative infinity.</exception>
    public SampledToken Sample(Span<float> logits, ReadOnlySpan<ulong> allowed = default)
    {
        if (logits.Length != _vocabulary)
            throw new ArgumentException($"{logits.Length} logits for a vocabulary of {_vocabulary}.", nameof(logits));
        float max = RequireAny(VectorMath.Sanitize(logits), "The model gave no token a chance");
        _logProbabilities?.Measure(logits, max);
        if (allowed.Length > 0)
            max = RequireAny(VectorMath.Mask(logits, allowed), "The model gave no token a chance that the grammar allows");
        if (_bias.Length > 0 || _penalties is not null)
        {
            foreach ((int biased, float value) in _bias)
                logits[biased] += value;
            _penalties?.Apply(logits);
            max = RequireAny(VectorMath.Sanitize(logits), "Bias and penalties left no token a chance");
        }
        int token = _options.Temperature == 0 ? VectorMath.IndexOf(logits, max) : Draw(logits, max);
        return new SampledToken(token, _logProbabilities?[token] ?? float.NaN);
    }

    private int Draw(ReadOnlySpan<float> logits, float max)
    {
        bool isCut = _options.TopK > 0 && _options.TopK < _vocabulary;
        _candidates ??= new Candidates(isCut ? _options.TopK : _vocabulary);
        if (isCut)
            _candidates.FillBest(logits, _options.TopK);
        else
            _candidates.FillAll(logits, max);
        if (_options.Typical < 1)
            Typical.Apply(_candidates, _options.Typical);
        if (_options.TopP < 1)
            TopP.Apply(_candidates, _options.TopP);
        if (_options.MinP > 0)
            MinP.Apply(_candidates, _options.MinP);

        double left = _random.NextDouble() * _candidates.Weigh(_options.Temperature);
        ReadOnlySpan<float> weights = _candidates.Weights;
        int chosen = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] == 0)
                continue;
            chosen = i; // stays the last possible one where rounding leaves a rest
            left -= weights[i];
            if (left < 0)
                break;
        }
        return _candidates.Ids[chosen];
    }

    private static float RequireAny(float max, string complaint) => max > float.NegativeInfinity
        ? max
        : throw new InvalidOperationException(complaint + ": every logit is NaN or negative infinity.");
}
