using Sluice.Sampling;

namespace Sluice;

/// <summary>How likely the model found a prompt: gathered row by row as the prompt is computed.</summary>
/// <param name="prompt">The tokens.</param>
/// <param name="vocabulary">The length of the logits.</param>
/// <param name="top">How many of the most likely tokens are reported at each place.</param>
internal sealed class PromptScores(IReadOnlyList<int> prompt, int vocabulary, int top)
{
    private readonly LogProbabilities _probabilities = new(vocabulary, top);
    private readonly List<ScoredToken> _tokens = new(prompt.Count - 1);

    /// <summary>The rows that are done: the next one tells of the token at <c>Rows + 1</c>.</summary>
    public int Rows => _tokens.Count;

    /// <summary>Whether nothing is missing.</summary>
    public bool IsComplete => Rows == prompt.Count - 1;

    /// <summary>The scores of all tokens but the first, which nothing comes before.</summary>
    public IReadOnlyList<ScoredToken> Tokens => _tokens;

    /// <summary>Whether a row's logits are wanted.</summary>
    public bool Wants(int row) => row >= Rows && row < prompt.Count - 1;

    /// <summary>Takes the next row in.</summary>
    /// <param name="logits">Of that row [vocabulary]; changed.</param>
    public void Add(Span<float> logits)
    {
        float max = VectorMath.Sanitize(logits);
        _probabilities.Measure(logits, max);
        int token = prompt[Rows + 1];
        _tokens.Add(new ScoredToken(token, _probabilities[token], [.. _probabilities.Top]));
    }
}
