using System.Text.Json;

namespace Sluice.Tokenizers.Templates;

/// <summary>Messages as templates want them: dictionaries with the names of OpenAI's API.</summary>
internal static class ChatVariables
{
    public static Dictionary<string, object?> Of(ChatMessage message)
    {
        Dictionary<string, object?> values = new() { ["role"] = message.Role, ["content"] = message.Content };
        if (message.Name is not null)
            values["name"] = message.Name;
        if (message.ToolCallId is not null)
            values["tool_call_id"] = message.ToolCallId;
        if (message.ReasoningContent is not null)
            values["reasoning_content"] = message.ReasoningContent;
        if (message.ToolCalls.Count > 0)
            values["tool_calls"] = message.ToolCalls.Select(Of).ToArray();
        return values;
    }

    private static Dictionary<string, object?> Of(ChatToolCall call) => new()
    {
        ["id"] = call.Id,
        ["type"] = "function",
        ["function"] = new Dictionary<string, object?> { ["name"] = call.Name, ["arguments"] = Arguments(call.Arguments) },
    };

    // OpenAI's API has the arguments as a text of JSON; templates go through them as a dictionary. What a model wrote may be no
    // JSON.
    private static object Arguments(string json)
    {
        try
        {
            JsonElement value = JsonElement.Parse(json);
            return value.ValueKind == JsonValueKind.Object ? value : json;
        }
        catch (JsonException)
        {
            return json;
        }
    }
}
