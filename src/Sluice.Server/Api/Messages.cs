using Sluice.Server.Http;
using Sluice.Tokenizers.Templates;

namespace Sluice.Server.Api;

/// <summary>Reads the messages of a conversation.</summary>
internal static class Messages
{
    public static ChatMessage[] Of(RequestFields fields)
    {
        if (fields.Array("messages") is not { } array)
            throw fields.Missing("messages");
        ChatMessage[] messages = [.. array.EnumerateArray().Select((item, i) => Read(new RequestFields(item, $"messages[{i}]")))];
        return messages.Length > 0 ? messages : throw fields.Wrong("messages", "an array with at least one message");
    }

    private static ChatMessage Read(RequestFields fields)
    {
        string role = fields.Required(fields.Text("role"), "role");
        if (role is not ("system" or "developer" or "user" or "assistant" or "tool"))
            throw fields.Wrong("role", "system, developer, user, assistant or tool");
        ChatMessage message = new(role == "developer" ? "system" : role, TextParts.Read(fields, "content", "text"))
        {
            Name = fields.Text("name"),
            ToolCallId = fields.Text("tool_call_id"),
            ReasoningContent = fields.Text("reasoning_content"),
            ToolCalls = fields.Array("tool_calls") is { } calls
                ? [.. calls.EnumerateArray().Select((call, i) => ReadCall(new RequestFields(call, fields.Path($"tool_calls[{i}]"))))]
                : [],
        };
        if (message.Content is null && message.ToolCalls.Count == 0)
            throw fields.Missing("content");
        fields.CheckAllRead();
        return message;
    }

    private static ChatToolCall ReadCall(RequestFields fields)
    {
        if (fields.Text("type") is not (null or "function"))
            throw fields.Wrong("type", "function");
        RequestFields function = fields.Required(fields.Object("function"), "function");
        ChatToolCall call = new(
            fields.Text("id") ?? "", function.Required(function.Text("name"), "name"), function.Text("arguments") ?? "{}");
        function.CheckAllRead();
        fields.CheckAllRead();
        return call;
    }
}
