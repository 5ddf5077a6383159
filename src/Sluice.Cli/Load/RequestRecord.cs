namespace Sluice.Cli.Load;

/// <summary>How one request went. Times are seconds after the run began.</summary>
/// <param name="Asked">What was asked for.</param>
/// <param name="Sent">When it was sent.</param>
/// <param name="Texts">When each piece of text came: one a token, but for tokens that end in the middle of a character.</param>
/// <param name="InputTokens">Of the prompt, as the server counts them.</param>
/// <param name="OutputTokens">Of the answer, as the server counts them.</param>
/// <param name="Error">What went wrong; null where nothing did.</param>
internal sealed record RequestRecord(
    PlannedRequest Asked, double Sent, IReadOnlyList<double> Texts, int InputTokens, int OutputTokens, string? Error)
{
    /// <summary>From its sending to its first token.</summary>
    public double FirstToken => Texts.Count > 0 ? Texts[0] - Sent : double.PositiveInfinity;

    /// <summary>From its sending to its last token.</summary>
    public double EndToEnd => Texts.Count > 0 ? Texts[^1] - Sent : double.PositiveInfinity;

    /// <summary>The mean time of a token after the first.</summary>
    public double PerOutputToken => OutputTokens > 1 ? (Texts[^1] - Texts[0]) / (OutputTokens - 1) : 0;

    /// <summary>The times between its tokens.</summary>
    public IEnumerable<double> InterToken => Texts.Zip(Texts.Skip(1), (before, after) => after - before);
}
