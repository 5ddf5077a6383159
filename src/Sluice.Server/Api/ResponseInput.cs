using System.Text.Json;
using Sluice.Chat;
using Sluice.Server.Http;
using Sluice.Tokenizers.Templates;

namespace Sluice.Server.Api;

/// <summary>Reads the input of the Responses API: a text, or items, of which several may make up one message.</summary>
internal sealed class ResponseInput
{
    private readonly List<ChatMessage> _messages;

    private ResponseInput(IEnumerable<ChatMessage> before) => _messages = [.. before];

    /// <summary>A conversation and what the input adds to it.</summary>
    public static IReadOnlyList<ChatMessage> Read(RequestFields fields, IEnumerable<ChatMessage> before)
    {
        ResponseInput input = new(before);
        if (fields.Any("input") is not { } value)
            throw fields.Missing("input");
        if (value.ValueKind == JsonValueKind.String)
        {
            input._messages.Add(new ChatMessage(ChatFormat.User, fields.Text("input")));
            return input._messages;
        }
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0)
            throw fields.Wrong("input", "a string or an array with at least one item");
        foreach ((int i, JsonElement item) in value.EnumerateArray().Index())
        {
            RequestFields one = new(item, fields.Path($"input[{i}]"));
            input.Add(one);
            one.CheckAllRead();
        }
        return input._messages;
    }

    private void Add(RequestFields item)
    {
        _ = item.Text("id"); // items are told apart by their places
        _ = item.Text("status");
        switch (item.Text("type") ?? "message")
        {
            case "message":
                AddMessage(item);
                break;
            case "function_call":
                ChatToolCall call = new(
                    item.Required(item.Text("call_id"), "call_id"), item.Required(item.Text("name"), "name"), item.Required(item.Text("arguments"), "arguments"));
                AddToAssistant(last => last with { ToolCalls = [.. last.ToolCalls, call] }, _ => true);
                break;
            case "function_call_output":
                _messages.Add(new ChatMessage("tool", Text(item, "output")) { ToolCallId = item.Required(item.Text("call_id"), "call_id") });
                break;
            case "reasoning":
                string? summary = item.Any("summary") is null ? null : Text(item, "summary");
                string thought = (item.Any("content") is null ? null : Text(item, "content")) ?? summary ?? "";
                _messages.Add(new ChatMessage(ChatFormat.Assistant, null) { ReasoningContent = thought });
                break;
            default:
                throw ApiException.Unsupported(
                    item.Path("type"), $"{item.Path("type")} must be message, function_call, function_call_output or reasoning.");
        }
    }

    private void AddMessage(RequestFields item)
    {
        string role = item.Required(item.Text("role"), "role"), text = Text(item, "content");
        if (role is not (ChatFormat.User or ChatFormat.Assistant or ChatFormat.System or "developer"))
            throw item.Wrong("role", "user, assistant, system or developer");
        if (role == ChatFormat.Assistant)
            AddToAssistant(last => last with { Content = text }, last => last.Content is null && last.ToolCalls.Count == 0);
        else
            _messages.Add(new ChatMessage(role == "developer" ? ChatFormat.System : role, text));
    }

    /// <summary>Adds to the assistant's message that the items before make up, or to a new one.</summary>
    private void AddToAssistant(Func<ChatMessage, ChatMessage> add, Func<ChatMessage, bool> isOpen)
    {
        if (_messages.Count > 0 && _messages[^1].Role == ChatFormat.Assistant && isOpen(_messages[^1]))
            _messages[^1] = add(_messages[^1]);
        else
            _messages.Add(add(new ChatMessage(ChatFormat.Assistant, null)));
    }

    private static string Text(RequestFields fields, string name) =>
        fields.Required(TextParts.Read(fields, name, "input_text", "output_text", "text", "reasoning_text", "summary_text"), name);
}
