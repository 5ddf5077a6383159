using System.Text;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat;

/// <summary>An answer as it gathers from its deltas.</summary>
public sealed class ChatAnswer
{
    private readonly StringBuilder _content = new(), _reasoning = new();
    private readonly List<(ToolCallStart Start, StringBuilder Arguments)> _calls = [];

    /// <summary>How it ended; null as long as it goes on.</summary>
    public AnswerEnd? End { get; private set; }

    /// <summary>What there is of it, to go on with the conversation.</summary>
    public ChatMessage Message => new(ChatFormat.Assistant, _content.Length == 0 && _calls.Count > 0 ? null : _content.ToString())
    {
        ReasoningContent = _reasoning.Length == 0 ? null : _reasoning.ToString(),
        ToolCalls = [.. _calls.Select(call => new ChatToolCall(call.Start.Id, call.Start.Name, call.Arguments.ToString()))],
    };

    /// <summary>Adds a delta.</summary>
    public void Add(ChatDelta delta)
    {
        switch (delta)
        {
            case ContentDelta content:
                _content.Append(content.Text);
                break;
            case ReasoningDelta reasoning:
                _reasoning.Append(reasoning.Text);
                break;
            case ToolCallStart call:
                _calls.Add((call, new StringBuilder()));
                break;
            case ToolArgumentsDelta arguments:
                _calls[arguments.Index].Arguments.Append(arguments.Text);
                break;
            case AnswerEnd end:
                End = end;
                break;
        }
    }
}
