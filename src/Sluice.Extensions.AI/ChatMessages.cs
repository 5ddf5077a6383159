using System.Text.Json;
using Microsoft.Extensions.AI;
using Sluice.Chat;
using Sluice.Tokenizers.Templates;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
using ModelMessage = Sluice.Tokenizers.Templates.ChatMessage;

namespace Sluice.Extensions.AI;

/// <summary>A conversation as models take it: of texts, thoughts, calls and what these returned.</summary>
internal static class ChatMessages
{
    public static IReadOnlyList<ModelMessage> Of(IEnumerable<ChatMessage> messages, string? instructions) =>
        ChatInstructions.Add([.. messages.SelectMany(Of)], instructions);

    /// <summary>A message; one for each result of a tool, besides what else it says.</summary>
    private static IEnumerable<ModelMessage> Of(ChatMessage message)
    {
        List<AIContent> said = [.. message.Contents.Where(content => content is not (FunctionResultContent or UsageContent))];
        List<ModelMessage> results = [.. message.Contents.OfType<FunctionResultContent>().Select(result =>
            new ModelMessage(ChatRole.Tool.Value, Text(result.Result)) { ToolCallId = result.CallId })];
        if (said.Count == 0 && results.Count > 0)
            return results;
        IEnumerable<AIContent> texts = said.Where(content => content is not (TextReasoningContent or FunctionCallContent));
        string reasoning = string.Concat(said.OfType<TextReasoningContent>().Select(content => content.Text));
        ChatToolCall[] calls = [.. said.OfType<FunctionCallContent>().Select(call =>
            new ChatToolCall(call.CallId, call.Name, JsonSerializer.Serialize(call.Arguments ?? new Dictionary<string, object?>(), ChatContents.Json<IDictionary<string, object?>>())))];
        string role = message.Role.Value == "developer" ? ChatFormat.System : message.Role.Value;
        return results.Prepend(new ModelMessage(role, calls.Length > 0 && !texts.Any() ? null : Text(texts))
        {
            Name = message.AuthorName,
            ReasoningContent = reasoning.Length == 0 ? null : reasoning,
            ToolCalls = calls,
        });
    }

    /// <summary>What a tool returned.</summary>
    private static string Text(object? result) => result switch
    {
        string text => text,
        AIContent content => Text([content]),
        IEnumerable<AIContent> contents => Text(contents),
        _ => JsonSerializer.Serialize(result, ChatContents.Json<object?>()),
    };

    private static string Text(IEnumerable<AIContent> contents) => string.Concat(contents.Select(content => content switch
    {
        TextContent text => text.Text,
        DataContent data => throw Unsupported($"{nameof(DataContent)} of {data.MediaType}"),
        UriContent uri => throw Unsupported($"{nameof(UriContent)} of {uri.MediaType}"),
        _ => throw Unsupported(content.GetType().Name),
    }));

    private static NotSupportedException Unsupported(string content) =>
        new($"{content} is not supported in a message: the model reads nothing but text.");
}
