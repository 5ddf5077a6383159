namespace Sluice.Tokenizers.Templates;

/// <summary>A message of a conversation.</summary>
/// <param name="Role">Who speaks: <c>system</c>, <c>user</c>, <c>assistant</c>, <c>tool</c>.</param>
/// <param name="Content">What is said; null where there are only tool calls.</param>
public sealed record ChatMessage(string Role, string? Content)
{
    /// <summary>The tools that the assistant calls.</summary>
    public IReadOnlyList<ChatToolCall> ToolCalls { get; init; } = [];

    /// <summary>For the role <c>tool</c>: which call this answers.</summary>
    public string? ToolCallId { get; init; }

    /// <summary>The speaker's or the tool's name.</summary>
    public string? Name { get; init; }

    /// <summary>What the assistant thought before it answered.</summary>
    public string? ReasoningContent { get; init; }
}

/// <summary>A call of a tool.</summary>
/// <param name="Id">What the answer refers to.</param>
/// <param name="Name">The function.</param>
/// <param name="Arguments">Its arguments as JSON.</param>
public sealed record ChatToolCall(string Id, string Name, string Arguments);
