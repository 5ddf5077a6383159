using Sluice.Tokenizers.Templates;

namespace Sluice.Chat;

/// <summary>What is asked of a model in a conversation: its next turn.</summary>
public sealed record ChatRequest
{
    /// <summary>What was said so far.</summary>
    public required IReadOnlyList<ChatMessage> Messages { get; init; }

    /// <summary>The tools that the model may call.</summary>
    public IReadOnlyList<ChatTool> Tools { get; init; } = [];

    /// <summary>Whether it calls them.</summary>
    public ToolMode ToolMode { get; init; }

    /// <summary>The only tool that may be called; null: any. With <see cref="ToolMode.Required"/>, the one that must be.</summary>
    public string? ToolName { get; init; }

    /// <summary>Whether an answer may call several tools; if not, it ends with its first call.</summary>
    public bool ParallelToolCalls { get; init; } = true;

    /// <summary>More variables for the model's template (<c>enable_thinking</c>, ...).</summary>
    public IReadOnlyList<KeyValuePair<string, object?>> TemplateVariables { get; init; } = [];

    /// <summary>How the answer is generated: all but the prompt.</summary>
    public Request Generation { get; init; } = new() { Prompt = [] };
}

/// <summary>How conversations are read and written, where the model's own files say it wrongly or not at all.</summary>
public sealed record ChatOptions
{
    /// <summary>A name of <see cref="ChatFormat"/>; null: the model's template, or what its vocabulary looks like.</summary>
    public string? Format { get; init; }

    /// <summary>A name of <see cref="Styles.ToolStyle"/>; null: what the template looks like.</summary>
    public string? ToolStyle { get; init; }

    /// <summary>A name of <see cref="Styles.ReasoningStyle"/>, or "none" to leave thoughts in the text; null: what the template looks like.</summary>
    public string? ReasoningStyle { get; init; }
}
