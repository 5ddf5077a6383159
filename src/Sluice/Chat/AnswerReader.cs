using Sluice.Chat.Parsing;

namespace Sluice.Chat;

/// <summary>Takes a generated answer apart as it comes: what the model says, what it thinks, the tools it calls. Not for several threads at once.</summary>
public sealed class AnswerReader
{
    private readonly Answer _answer;
    private readonly AnswerParser _parser;
    private IReadOnlyList<ChatDelta> _begun; // by the prompt
    private int _tokens, _reasoningTokens;

    /// <param name="answer">What becomes of it.</param>
    /// <param name="needs">The style's parser.</param>
    /// <param name="begun">What of the answer the prompt has already.</param>
    internal AnswerReader(Answer answer, IEnumerable<Need> needs, string begun = "")
    {
        (_answer, _parser) = (answer, new AnswerParser(answer, needs));
        _begun = _parser.Append(begun);
    }

    /// <summary>Whether the answer has ended: with its last token, or because all calls were made that may be.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>Takes in the next token.</summary>
    /// <returns>What is certain with it, perhaps nothing; an <see cref="AnswerEnd"/> at last. Nothing after that.</returns>
    public IReadOnlyList<ChatDelta> Read(GeneratedToken token)
    {
        if (HasEnded)
            return [];
        _tokens++;
        IReadOnlyList<ChatDelta> deltas = [.. _begun, .. _parser.Append(token.Text)];
        _begun = [];
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
