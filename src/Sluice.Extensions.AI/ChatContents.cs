using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Extensions.AI;
using Sluice.Chat;

namespace Sluice.Extensions.AI;

/// <summary>What a model says, as contents of messages.</summary>
internal static class ChatContents
{
    // As models write it themselves: white space and escapes are tokens.
    private static readonly JsonSerializerOptions Plain = new(AIJsonUtilities.DefaultOptions)
    {
        WriteIndented = false,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The contents of deltas in which every call is whole.</summary>
    public static IEnumerable<AIContent> Of(IReadOnlyList<ChatDelta> deltas)
    {
        for (int i = 0; i < deltas.Count; i++)
        {
            switch (deltas[i])
            {
                case ContentDelta content:
                    yield return new TextContent(content.Text);
                    break;
                case ReasoningDelta reasoning:
                    yield return new TextReasoningContent(reasoning.Text);
                    break;
                case ToolCallStart call:
                    yield return Call(call, i + 1 < deltas.Count && deltas[i + 1] is ToolArgumentsDelta arguments ? arguments.Text : "{}");
                    break;
            }
        }
    }

    public static ChatFinishReason Reason(ChatFinish finish) => finish switch
    {
        ChatFinish.Length => ChatFinishReason.Length,
        ChatFinish.ToolCalls => ChatFinishReason.ToolCalls,
        _ => ChatFinishReason.Stop,
    };

    /// <summary>How a type is read and written, also where there is no reflection.</summary>
    public static JsonTypeInfo<T> Json<T>() => (JsonTypeInfo<T>)Plain.GetTypeInfo(typeof(T));

    private static FunctionCallContent Call(ToolCallStart call, string arguments)
    {
        FunctionCallContent content = FunctionCallContent.CreateFromParsedArguments(
            arguments, call.Id, call.Name, text => JsonSerializer.Deserialize(text, Json<IDictionary<string, object?>>()));
        // One that the end of the answer cut off must not be made.
        content.InformationalOnly = content.Exception is not null;
        return content;
    }
}
