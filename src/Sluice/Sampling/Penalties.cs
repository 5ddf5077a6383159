namespace Sluice.Sampling;

/// <summary>
/// Makes tokens of the recent text less likely: repetition (Keskar et al. 2019), then presence and frequency as the OpenAI API
/// defines them.
/// </summary>
internal sealed class Penalties
{
    private const int UsualWindow = 1024; // a longer one takes its memory when it fills

    private readonly SamplingOptions options;
    private readonly Queue<int> window;
    private readonly Dictionary<int, int> counts;

    public Penalties(SamplingOptions options)
    {
        this.options = options;
        int capacity = Math.Clamp(options.PenaltyWindow, 0, UsualWindow) + 1;
        window = new Queue<int>(capacity);
        counts = new Dictionary<int, int>(capacity);
    }

    /// <summary>Whether these options ask for any.</summary>
    public static bool AreWanted(SamplingOptions options) =>
        options.PenaltyWindow != 0
        && (options.RepetitionPenalty != 1 || options.PresencePenalty != 0 || options.FrequencyPenalty != 0);

    /// <summary>Adds a token to the text; the one that leaves the window no longer counts.</summary>
    public void Accept(int token)
    {
        counts[token] = counts.GetValueOrDefault(token) + 1;
        if (options.PenaltyWindow < 0)
            return;
        window.Enqueue(token);
        if (window.Count <= options.PenaltyWindow)
            return;
        int oldest = window.Dequeue();
        if (--counts[oldest] == 0)
            counts.Remove(oldest);
    }

    /// <summary>Lowers the logits of the tokens in the window.</summary>
    public void Apply(Span<float> logits)
    {
        foreach ((int token, int count) in counts)
        {
            ref float logit = ref logits[token];
            logit = logit > 0 ? logit / options.RepetitionPenalty : logit * options.RepetitionPenalty;
            logit -= options.PresencePenalty + (count * options.FrequencyPenalty);
        }
    }
}
