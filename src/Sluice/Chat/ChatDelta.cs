namespace Sluice.Chat;

/// <summary>A piece of a model's answer, as it comes. Of one kind: <see cref="ContentDelta"/>, <see cref="ReasoningDelta"/>, <see cref="ToolCallStart"/>, <see cref="ToolArgumentsDelta"/> or, at last, <see cref="AnswerEnd"/>.</summary>
public abstract record ChatDelta
{
    private protected ChatDelta()
    {
    }
}

/// <summary>More of what the model says.</summary>
/// <param name="Text">The text to add.</param>
public sealed record ContentDelta(string Text) : ChatDelta;

/// <summary>More of what the model thinks before it answers.</summary>
/// <param name="Text">The text to add.</param>
public sealed record ReasoningDelta(string Text) : ChatDelta;

/// <summary>The model calls a tool; the arguments follow.</summary>
/// <param name="Index">Which call of the answer, from 0.</param>
/// <param name="Id">What the tool's answer refers to.</param>
/// <param name="Name">The tool.</param>
public sealed record ToolCallStart(int Index, string Id, string Name) : ChatDelta;

/// <summary>More of a call's arguments.</summary>
/// <param name="Index">Which call of the answer.</param>
/// <param name="Text">The JSON text to add; all of a call's make one object, unless the answer was cut.</param>
public sealed record ToolArgumentsDelta(int Index, string Text) : ChatDelta;

/// <summary>The answer has ended.</summary>
/// <param name="Finish">Why.</param>
/// <param name="GeneratedTokens">The tokens that were generated.</param>
/// <param name="ReasoningTokens">Of those, the ones that the model thought with.</param>
public sealed record AnswerEnd(ChatFinish Finish, int GeneratedTokens, int ReasoningTokens) : ChatDelta;

/// <summary>Why an answer ended.</summary>
public enum ChatFinish
{
    /// <summary>It is complete.</summary>
    Stop,

    /// <summary>It may have no more tokens.</summary>
    Length,

    /// <summary>It is complete, and calls tools.</summary>
    ToolCalls,
}
