using Sluice.Tokenizers;

namespace Sluice.Server.Api;

/// <summary>Writes the log-probabilities of one completion's tokens, as they come.</summary>
/// <param name="tokenizer">Whose tokens they are.</param>
/// <param name="top">How many of the most likely tokens are told at each place.</param>
/// <param name="withPrompt">Whether the text begins with the prompt.</param>
internal sealed class CompletionScores(Tokenizer tokenizer, int top, bool withPrompt)
{
    private readonly StreamingDetokenizer _text = new(tokenizer, isContinuation: !withPrompt);
    private int _offset;

    /// <summary>The prompt's tokens as scored ones: the first has no score, since nothing comes before it.</summary>
    public static IEnumerable<ScoredToken> Prompt(IReadOnlyList<int> prompt, IReadOnlyList<ScoredToken> scores) =>
        [new ScoredToken(prompt[0], float.NaN, []), .. scores];

    /// <summary>Generated tokens as scored ones, but for the one that ends the text and is none of it.</summary>
    public static IEnumerable<ScoredToken> Generated(IEnumerable<GeneratedToken> tokens) =>
        tokens.Where(token => token.Finish != FinishReason.EndOfText).Select(token => new ScoredToken(token.Id, token.LogProbability, token.TopLogProbabilities));

    /// <summary>Writes the next tokens.</summary>
    public CompletionLogProbs Write(IEnumerable<ScoredToken> next)
    {
        ScoredToken[] tokens = [.. next];
        int[] offsets = new int[tokens.Length];
        for (int i = 0; i < tokens.Length; i++)
        {
            offsets[i] = _offset;
            _offset += _text.Next(tokens[i].Id).Length;
        }
        return new CompletionLogProbs(
            [.. tokens.Select(token => tokenizer.PieceText(token.Id))],
            [.. tokens.Select(token => float.IsNaN(token.LogProbability) ? (float?)null : SamplingFields.Finite(token.LogProbability))],
            top == 0 ? null : [.. tokens.Select(Likeliest)],
            offsets);
    }

    private Dictionary<string, float>? Likeliest(ScoredToken token) => float.IsNaN(token.LogProbability) ? null : token.Top
        .GroupBy(likely => tokenizer.PieceText(likely.Id)) // bytes of different characters look the same
        .ToDictionary(same => same.Key, same => SamplingFields.Finite(same.Max(likely => likely.LogProbability)));
}
