namespace Sluice.Sampling;

/// <summary>
/// How tokens are chosen. The defaults are those of the field's command lines; <see cref="Greedy"/> always takes the best token.
/// </summary>
/// <remarks>
/// The order in which these act is said at <see cref="Sampler"/>. A filter at its neutral value costs nothing.
/// </remarks>
public sealed record SamplingOptions
{
    /// <summary>The best token always; no chance is involved.</summary>
    public static SamplingOptions Greedy { get; } = new() { Temperature = 0 };

    /// <summary>
    /// Divides the logits: below 1 the likely tokens gain, above 1 the unlikely ones. 0 takes the best token (after bias and
    /// penalties, with no regard to the filters).
    /// </summary>
    public float Temperature { get; init; } = 0.8f;

    /// <summary>Keeps this many of the most likely tokens (Fan et al. 2018). 0: all.</summary>
    public int TopK { get; init; } = 40;

    /// <summary>Keeps the fewest most likely tokens whose probabilities reach this sum (Holtzman et al. 2020). 1: all.</summary>
    public float TopP { get; init; } = 0.95f;

    /// <summary>Keeps tokens at least this times as likely as the most likely one (Nguyen et al. 2024). 0: all.</summary>
    public float MinP { get; init; } = 0.05f;

    /// <summary>
    /// Keeps the tokens whose surprise is nearest to the expected one, until their probabilities reach this sum (locally
    /// typical sampling, Meister et al. 2023). 1: all.
    /// </summary>
    public float Typical { get; init; } = 1;

    /// <summary>
    /// Positive logits of tokens in the window are divided by this, negative ones multiplied (Keskar et al. 2019). 1: none.
    /// </summary>
    public float RepetitionPenalty { get; init; } = 1;

    /// <summary>Subtracted from the logits of tokens in the window. 0: none.</summary>
    public float PresencePenalty { get; init; }

    /// <summary>Subtracted from the logits of tokens in the window, times their count there. 0: none.</summary>
    public float FrequencyPenalty { get; init; }

    /// <summary>How many of the last tokens, prompt included, the penalties look at. 0: none; -1: all.</summary>
    public int PenaltyWindow { get; init; } = 64;

    /// <summary>
    /// Whether the presence and frequency penalties count the prompt's tokens too, as llama.cpp does. False: only those generated,
    /// as the OpenAI API defines them.
    /// </summary>
    public bool PenalizePrompt { get; init; } = true;

    /// <summary>Where the random numbers start; the same seed gives the same tokens. Null: a new one for each request.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Added to the logits of these token ids; negative infinity rules a token out. Null: none.</summary>
    public IReadOnlyDictionary<int, float>? LogitBias { get; init; }

    /// <summary>
    /// How many of the most likely tokens are reported with their log-probabilities, beside the chosen token's own. 0: only its
    /// own; null: none, which saves a pass over the vocabulary.
    /// </summary>
    public int? LogProbs { get; init; }

    /// <summary>Checks every option.</summary>
    /// <exception cref="ArgumentException">An option is out of its range; the message names it and says its value.</exception>
    public void Validate()
    {
        Require(float.IsFinite(Temperature) && Temperature >= 0, nameof(Temperature), Temperature, "a number from 0");
        Require(TopK >= 0, nameof(TopK), TopK, "0 (all) or more");
        Require(TopP is >= 0 and <= 1, nameof(TopP), TopP, "from 0 to 1");
        Require(MinP is >= 0 and <= 1, nameof(MinP), MinP, "from 0 to 1");
        Require(Typical is >= 0 and <= 1, nameof(Typical), Typical, "from 0 to 1");
        Require(
            float.IsFinite(RepetitionPenalty) && RepetitionPenalty > 0, nameof(RepetitionPenalty), RepetitionPenalty, "a number above 0");
        Require(float.IsFinite(PresencePenalty), nameof(PresencePenalty), PresencePenalty, "a finite number");
        Require(float.IsFinite(FrequencyPenalty), nameof(FrequencyPenalty), FrequencyPenalty, "a finite number");
        Require(PenaltyWindow >= -1, nameof(PenaltyWindow), PenaltyWindow, "-1 (all), 0 (none) or more");
        Require(LogProbs is null or >= 0, nameof(LogProbs), LogProbs ?? 0, "0 or more");
        foreach ((int token, float bias) in LogitBias ?? new Dictionary<int, float>())
        {
            Require(token >= 0, nameof(LogitBias), token, "given for token ids from 0");
            Require(!float.IsNaN(bias), nameof(LogitBias), bias, "a number");
        }
    }

    private static void Require(bool condition, string option, double value, string range)
    {
        if (!condition)
            throw new ArgumentException(FormattableString.Invariant($"{option} must be {range}; it is {value:R}."), option);
    }
}
