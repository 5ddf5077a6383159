using Sluice.Tokenizers.Templates;

namespace Sluice.Chat;

/// <summary>What a model is told for one request alone, as APIs have it beside the conversation.</summary>
public static class ChatInstructions
{
    /// <summary>A conversation that begins with instructions: in its system message if it has one, since many templates take one only.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="instructions">What to put before it; nothing if null or empty.</param>
    public static IReadOnlyList<ChatMessage> Add(IReadOnlyList<ChatMessage> messages, string? instructions) =>
        string.IsNullOrEmpty(instructions) ? messages
        : messages is [{ Role: ChatFormat.System } first, ..] ? [first with { Content = $"{instructions}\n\n{first.Content}" }, .. messages.Skip(1)]
        : [new ChatMessage(ChatFormat.System, instructions), .. messages];
}
