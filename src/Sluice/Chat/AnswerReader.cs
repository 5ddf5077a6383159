using Sluice.Chat.Parsing;

namespace Sluice.Chat;

/// <summary>Takes a generated answer apart as it comes: what the model says, what it thinks, the tools it calls. Not for several threads at once.</summary>
public sealed class AnswerReader
{
    private readonly Answer _answer;
    private readonly AnswerParser _parser;
    private int _tokens, _reasoningTokens;

    /// <param name="answer">What becomes of it.</param>
    /// <param name="needs">The style's parser.</param>
    internal AnswerReader(Answer answer, IEnumerable<Need> needs) => (_answer, _parser) = (answer, new AnswerParser(answer, needs));

    /// <summary>Whether the answer has ended: with its last token, or because all calls were made that may be.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Takes in the next token.</summary>
    /// <returns>What is certain with it, perhaps nothing; an <see cref="AnswerEnd"/> at last. Nothing after that.</returns>
    public IReadOnlyList<ChatDelta> Read(GeneratedToken token)
    {
        if (HasEnded)
            return [];
        _tokens++;
        IReadOnlyList<ChatDelta> deltas = _parser.Append(token.Text);
        if (_answer.IsReasoning)
            _reasoningTokens++;
        HasEnded = token.Finish is not null || _answer.IsDone;
        if (!HasEnded)
            return deltas;
        ChatFinish finish = token.Finish is FinishReason.MaxTokens or FinishReason.ContextFull && !_answer.IsDone ? ChatFinish.Length
            : _answer.Calls > 0 ? ChatFinish.ToolCalls
            : ChatFinish.Stop;
        return [.. deltas, .. _parser.Complete(), new AnswerEnd(finish, _tokens, _reasoningTokens)];
    }
}
