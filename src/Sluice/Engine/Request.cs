using Sluice.Sampling;

namespace Sluice;

/// <summary>What a user asks of an engine: a continuation of some tokens.</summary>
public sealed record Request
{
    /// <summary>The tokens to continue; at least one.</summary>
    public required IReadOnlyList<int> Prompt { get; init; }

    /// <summary>How tokens are chosen.</summary>
    public SamplingOptions Sampling { get; init; } = new();

    /// <summary>The most tokens to generate; null for as many as the context has room for.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Strings that end the text; they are not part of it.</summary>
    public IReadOnlyList<string> Stop { get; init; } = [];

    /// <summary>Whether to go on after a token that ends a text.</summary>
    public bool IgnoreEnd { get; init; }

    /// <summary>The name of the adapter that the model has for it (<see cref="Engine.LoadAdapter"/>); null for none.</summary>
    public string? Adapter { get; init; }

    /// <summary>How urgent it is: higher goes first, where the engine's policy is <c>priority</c>.</summary>
    public int Priority { get; init; }
}

/// <summary>Why a generation ended.</summary>
public enum FinishReason
{
    /// <summary>The model ended its text.</summary>
    EndOfText,

    /// <summary>A stop string came.</summary>
    StopString,

    /// <summary>As many tokens as were asked for.</summary>
    MaxTokens,

    /// <summary>The context is full.</summary>
    ContextFull,
}

/// <summary>A generated token, and the text that became certain with it.</summary>
/// <param name="Id">The token.</param>
/// <param name="Text">
/// Text to show: whole characters only, and nothing that may yet turn out to be a stop string, so perhaps empty, or of several
/// tokens. A last token that ended the text or completed a stop string adds none of its own.
/// </param>
/// <param name="LogProbability">Of the model, before sampling options; NaN unless asked for.</param>
/// <param name="Finish">Set on the last token.</param>
public readonly record struct GeneratedToken(int Id, string Text, float LogProbability, FinishReason? Finish)
{
    /// <summary>The most probable tokens at this place, if asked for.</summary>
    public IReadOnlyList<SampledToken> TopLogProbabilities { get; init; } = [];

    /// <summary>How the request went; with its last token only.</summary>
    public Completion? Completion { get; init; }
}
