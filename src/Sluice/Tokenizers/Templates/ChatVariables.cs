using System.Text.Json;

namespace Sluice.Tokenizers.Templates;

/// <summary>Messages as templates want them: dictionaries with the names of OpenAI's API.</summary>
/// <param name="EmptyContent">Whether a message without content has an empty one: some templates fail without any, others with one.</param>
/// <param name="ArgumentsAsText">Whether the arguments of calls are JSON text, as in OpenAI's API, or dictionaries.</param>
internal sealed record ChatVariables(bool EmptyContent = false, bool ArgumentsAsText = false)
{
    /// <summary>All ways, the most usual first.</summary>
    public static IReadOnlyList<ChatVariables> All { get; } = [new(), new(EmptyContent: true), new(false, true), new(true, true)];

    /// <summary>Whether thoughts are called <c>thinking</c>, as GPT-oss's template does.</summary>
    public bool IsThinking { get; init; }

    public Dictionary<string, object?> Of(ChatMessage message)
    {
        Dictionary<string, object?> values = new() { ["role"] = message.Role, ["content"] = message.Content ?? (EmptyContent ? "" : null) };
        if (message.Name is not null)
            values["name"] = message.Name;
        if (message.ToolCallId is not null)
            values["tool_call_id"] = message.ToolCallId;
        if (message.ReasoningContent is not null)
            values["reasoning_content"] = message.ReasoningContent;
        // GPT-oss's template refuses thoughts beside a call's content, which it takes for thoughts as well.
        if (IsThinking && message.ReasoningContent is not null && (message.ToolCalls.Count == 0 || string.IsNullOrEmpty(message.Content)))
            values["thinking"] = message.ReasoningContent;
        if (message.ToolCalls.Count > 0)
            values["tool_calls"] = message.ToolCalls.Select(Of).ToArray();
        return values;
    }

    private Dictionary<string, object?> Of(ChatToolCall call) => new()
    {
        ["id"] = call.Id,
        ["type"] = "function",
        ["function"] = new Dictionary<string, object?>
        {
            ["name"] = call.Name,
            ["arguments"] = ArgumentsAsText ? call.Arguments : Parse(call.Arguments),
        },
    };

    // What a model wrote may be no JSON.
    private static object Parse(string json) =>
        WrittenJson.TryParse(json, out JsonElement value) && value.ValueKind == JsonValueKind.Object ? value : json;
}
