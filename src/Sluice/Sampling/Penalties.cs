namespace Sluice.Sampling;

/// <summary>
/// Makes tokens of the recent text less likely: repetition (Keskar et al. 2019), then presence and frequency as the OpenAI API
/// defines them.
/// </summary>
internal sealed class Penalties
{
    private const int UsualWindow = 1024; // a longer one takes its memory when it fills

    private readonly SamplingOptions _options;
    private readonly Queue<int> _window; // a prompt's token as its complement
    private readonly Dictionary<int, Count> _counts;

    public Penalties(SamplingOptions options)
    {
        _options = options;
        int capacity = Math.Clamp(options.PenaltyWindow, 0, UsualWindow) + 1;
        _window = new Queue<int>(capacity);
        _counts = new Dictionary<int, Count>(capacity);
    }

    /// <summary>Whether these options ask for any.</summary>
    public static bool AreWanted(SamplingOptions options) =>
        options.PenaltyWindow != 0
        && (options.RepetitionPenalty != 1 || options.PresencePenalty != 0 || options.FrequencyPenalty != 0);

    /// <summary>Adds a token to the text; the one that leaves the window no longer counts.</summary>
    public void Accept(int token, bool isPrompt)
    {
        Add(token, isPrompt, 1);
        if (_options.PenaltyWindow < 0)
            return;
        _window.Enqueue(isPrompt ? ~token : token);
        if (_window.Count <= _options.PenaltyWindow)
            return;
        int oldest = _window.Dequeue();
        Add(oldest < 0 ? ~oldest : oldest, isPrompt: oldest < 0, -1);
    }

    /// <summary>Lowers the logits of the tokens in the window.</summary>
    public void Apply(Span<float> logits)
    {
        foreach ((int token, Count count) in _counts)
        {
            ref float logit = ref logits[token];
            logit = logit > 0 ? logit / _options.RepetitionPenalty : logit * _options.RepetitionPenalty;
            int counted = _options.PenalizePrompt ? count.All : count.Generated;
            if (counted > 0)
                logit -= _options.PresencePenalty + (counted * _options.FrequencyPenalty);
        }
    }

    private void Add(int token, bool isPrompt, int change)
    {
        Count count = _counts.GetValueOrDefault(token);
        count = new Count(count.All + change, count.Generated + (isPrompt ? 0 : change));
        if (count.All == 0)
            _counts.Remove(token);
        else
            _counts[token] = count;
    }

    private readonly record struct Count(int All, int Generated);
}
