namespace Sluice;

/// <summary>How a request went: counts and times, which come with its last token.</summary>
public sealed record Completion
{
    /// <summary>The tokens of the prompt.</summary>
    public required int PromptTokens { get; init; }

    /// <summary>Of those, the ones that were found in the cache and not computed.</summary>
    public required int CachedPromptTokens { get; init; }

    /// <summary>The tokens that were generated.</summary>
    public required int GeneratedTokens { get; init; }

    /// <summary>How often the request was set aside because others needed its memory.</summary>
    public required int Preemptions { get; init; }

    /// <summary>From the submission until it was first admitted.</summary>
    public required TimeSpan Queued { get; init; }

    /// <summary>From the submission until the first token was delivered.</summary>
    public required TimeSpan FirstToken { get; init; }

    /// <summary>From the submission until the last token was delivered.</summary>
    public required TimeSpan LastToken { get; init; }

    /// <summary>The mean time between two tokens; zero where there was only one.</summary>
    public TimeSpan InterToken => GeneratedTokens > 1 ? (LastToken - FirstToken) / (GeneratedTokens - 1) : TimeSpan.Zero;
}
