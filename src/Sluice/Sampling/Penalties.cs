namespace Sluice.Sampling;

/// <summary>
/// Makes tokens of the recent text less likely: repetition (Keskar et al. 2019), then presence and frequency as the OpenAI API
/// defines them.
/// </summary>
internal sealed class Penalties
{
    private const int UsualWindow = 1024; // a longer one takes its memory when it fills

    private readonly SamplingOptions options;
    private readonly Queue<int> window; // a prompt's token as its complement
    private readonly Dictionary<int, Count> counts;

    public Penalties(SamplingOptions options)
    {
        this.options = options;
        int capacity = Math.Clamp(options.PenaltyWindow, 0, UsualWindow) + 1;
        window = new Queue<int>(capacity);
        counts = new Dictionary<int, Count>(capacity);
    }

    /// <summary>Whether these options ask for any.</summary>
    public static bool AreWanted(SamplingOptions options) =>
        options.PenaltyWindow != 0
        && (options.RepetitionPenalty != 1 || options.PresencePenalty != 0 || options.FrequencyPenalty != 0);

    /// <summary>Adds a token to the text; the one that leaves the window no longer counts.</summary>
    public void Accept(int token, bool isPrompt)
    {
        Add(token, isPrompt, 1);
        if (options.PenaltyWindow < 0)
            return;
        window.Enqueue(isPrompt ? ~token : token);
        if (window.Count <= options.PenaltyWindow)
            return;
        int oldest = window.Dequeue();
        Add(oldest < 0 ? ~oldest : oldest, isPrompt: oldest < 0, -1);
    }

    /// <summary>Lowers the logits of the tokens in the window.</summary>
    public void Apply(Span<float> logits)
    {
        foreach ((int token, Count count) in counts)
        {
            ref float logit = ref logits[token];
            logit = logit > 0 ? logit / options.RepetitionPenalty : logit * options.RepetitionPenalty;
            int counted = options.PenalizePrompt ? count.All : count.Generated;
            if (counted > 0)
                logit -= options.PresencePenalty + (counted * options.FrequencyPenalty);
        }
    }

    private void Add(int token, bool isPrompt, int change)
    {
        Count count = counts.GetValueOrDefault(token);
        count = new Count(count.All + change, count.Generated + (isPrompt ? 0 : change));
        if (count.All == 0)
            counts.Remove(token);
        else
            counts[token] = count;
    }

    private readonly record struct Count(int All, int Generated);
}
