using Sluice.Grammars;
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

    /// <summary>
    /// What the generated text must look like; null for anything. The generation ends where the grammar has no more to say. Cut off
    /// by <see cref="MaxTokens"/> or a stop string, the text is the beginning of a valid one.
    /// </summary>
    public Grammar? Grammar { get; init; }

    /// <summary>Whether to go on after a token that ends a text; not where there is a <see cref="Grammar"/>.</summary>
    public bool IgnoreEnd { get; init; }

    /// <summary>Control tokens whose names are part of the text, as those that mark the calls of tools; null: none.</summary>
    public IReadOnlySet<int>? ShownTokens { get; init; }

    /// <summary>
    /// How many of the most likely tokens are reported at each place of the prompt, beside the log-probability of its own token,
    /// with the first token generated. Null: none. The prompt is then computed in full, even where the cache has a part of it.
    /// </summary>
    public int? PromptLogProbs { get; init; }

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

    /// <summary>The text is all that its grammar allows.</summary>
    Complete,

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

    /// <summary>
    /// How likely the prompt was, where <see cref="Request.PromptLogProbs"/> asked for it: all its tokens but the first. With the
    /// first token only.
    /// </summary>
    public IReadOnlyList<ScoredToken>? Prompt { get; init; }

    /// <summary>How the request went; with its last token only.</summary>
    public Completion? Completion { get; init; }
}

/// <summary>A token of a prompt, and how likely the model found it there.</summary>
/// <param name="Id">The token.</param>
/// <param name="LogProbability">Natural logarithm of its probability after the tokens before it.</param>
/// <param name="Top">The most probable tokens at this place, the likeliest first, as many as were asked for.</param>
public readonly record struct ScoredToken(int Id, float LogProbability, IReadOnlyList<SampledToken> Top);
