using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat;

/// <summary>Tools in prompts: as templates take them, and in words for models whose templates take none.</summary>
internal static class ToolInstructions
{
    private static readonly JsonWriterOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The tools as OpenAI's API writes them: an array for templates.</summary>
    public static JsonElement ToJson(IEnumerable<ChatTool> tools)
    {
        ArrayBufferWriter<byte> bytes = new();
        using (Utf8JsonWriter json = new(bytes, Plain))
        {
            json.WriteStartArray();
            foreach (ChatTool tool in tools)
            {
                json.WriteStartObject();
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", tool.Name);
                // Templates ask for these without asking whether they are there.
                json.WriteString("description", tool.Description ?? "");
                json.WritePropertyName("parameters");
                if (tool.Parameters is { } parameters)
                    parameters.WriteTo(json);
                else
                    json.WriteRawValue("""{"type":"object","properties":{}}""");
                json.WriteEndObject();
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }
        return JsonElement.Parse(bytes.WrittenSpan);
    }

    /// <summary>The conversation with all that concerns tools written as text.</summary>
    /// <param name="messages">The conversation.</param>
    /// <param name="tools">The tools that may be called now.</param>
    /// <param name="write">Writes calls as the model does.</param>
    public static IReadOnlyList<ChatMessage> Explain(
        IReadOnlyList<ChatMessage> messages, IReadOnlyList<ChatTool> tools, Func<IReadOnlyList<ChatToolCall>, string> write)
    {
        List<ChatMessage> explained = [];
        bool isAnswer = false; // whether the last message is of tools
        foreach (ChatMessage message in messages)
        {
            if (message.Role != "tool")
            {
                explained.Add(message.ToolCalls.Count == 0 ? message : message with
                {
                    Content = string.IsNullOrEmpty(message.Content) ? write(message.ToolCalls) : message.Content + "\n" + write(message.ToolCalls),
                    ToolCalls = [],
                });
                isAnswer = false;
                continue;
            }
            string answer = $"<tool_response>\n{message.Content}\n</tool_response>";
            // Many templates want the user and the assistant in turns.
            if (isAnswer)
                explained[^1] = explained[^1] with { Content = explained[^1].Content + "\n" + answer };
            else
                explained.Add(new ChatMessage(ChatFormat.User, answer));
            isAnswer = true;
        }
        if (tools.Count > 0)
        {
            // Some templates have no place for a system message: the first that there is takes them.
            int first = explained.FindIndex(message => message.Role is ChatFormat.System or ChatFormat.User);
            if (first < 0)
                explained.Insert(first = 0, new ChatMessage(ChatFormat.System, ""));
            ChatMessage message = explained[first];
            explained[first] = message with
            {
                Content = message.Role == ChatFormat.System ? $"{message.Content}\n\n{Describe(tools, write)}".TrimStart() : $"{Describe(tools, write)}\n\n{message.Content}",
            };
        }
        return explained;
    }

    private static string Describe(IReadOnlyList<ChatTool> tools, Func<IReadOnlyList<ChatToolCall>, string> write) => $"""
        You can call these functions:
        {string.Join('\n', ToJson(tools).EnumerateArray().Select(tool => Text(tool.GetProperty("function"))))}
        To call one, write
        {write([new ChatToolCall("000000000", "NAME", "{\"ARGUMENT\": \"VALUE\"}")])}
        and nothing after it. What it returns comes in <tool_response> tags.
        """;

    private static string Text(JsonElement value)
    {
        ArrayBufferWriter<byte> bytes = new();
        using (Utf8JsonWriter json = new(bytes, Plain))
            value.WriteTo(json);
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }
}
