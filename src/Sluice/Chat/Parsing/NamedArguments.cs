using System.Text.Encodings.Web;
using System.Text.Json;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat.Parsing;

/// <summary>Arguments that come one by one, each with its value as plain text: written as the JSON that the tool's schema asks for.</summary>
internal sealed class NamedArguments(Answer answer, string tool)
{
    private bool _hasAny;

    /// <summary>Arguments one by one, each as text; none where they are no object.</summary>
    public static IEnumerable<(string Name, string Text)> Of(string arguments)
    {
        return WrittenJson.TryParse(arguments, out JsonElement all) && all.ValueKind == JsonValueKind.Object
            ? all.EnumerateObject().Select(argument => (argument.Name, argument.Value.ToString())) : [];
    }

    /// <summary>Adds one.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="text">The value, perhaps on lines of its own.</param>
    public void Add(string name, string text)
    {
        text = text.StartsWith('\n') ? text[1..] : text;
        text = text.EndsWith('\n') ? text[..^1] : text;
        answer.Arguments($"{(_hasAny ? ", " : "{")}{Quote(name.Trim())}: {(IsText(name.Trim()) || !WrittenJson.TryParse(text, out _) ? Quote(text) : text.Trim())}");
        _hasAny = true;
    }

    /// <summary>There are no more.</summary>
    public void End() => answer.Arguments(_hasAny ? "}" : "{}");

    private static string Quote(string text) => $"\"{JsonEncodedText.Encode(text, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";

    /// <summary>Whether an argument's schema asks for a text, so that 12 is "12".</summary>
    public static bool IsText(JsonElement schema) =>
        schema.ValueKind == JsonValueKind.Object && schema.TryGetProperty("type", out JsonElement type)
        && (type.ValueKind == JsonValueKind.String ? type.ValueEquals("string")
            : type.ValueKind == JsonValueKind.Array && type.EnumerateArray().Any(one => one.ValueKind == JsonValueKind.String && one.ValueEquals("string")));

    private bool IsText(string name) =>
        answer.Tool(tool)?.Parameters is { ValueKind: JsonValueKind.Object } schema
        && schema.TryGetProperty("properties", out JsonElement properties) && properties.ValueKind == JsonValueKind.Object
        && properties.TryGetProperty(name, out JsonElement property) && IsText(property);
}
