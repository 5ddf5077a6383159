using System.Text.Json;

namespace Sluice.Tokenizers.Templates;

/// <summary>What models and their clients wrote as JSON, and may be none: the arguments of calls.</summary>
internal static class WrittenJson
{
    /// <summary>Reads a text.</summary>
    /// <returns>Whether it is JSON of which every string can be read: halves of surrogate pairs make none.</returns>
    public static bool TryParse(string text, out JsonElement value)
    {
        try
        {
            value = JsonElement.Parse(text);
            ReadAll(value);
            return true;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            value = default;
            return false;
        }
    }

    private static void ReadAll(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.String)
            _ = value.GetString();
        else if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in value.EnumerateArray())
                ReadAll(item);
        }
        else if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty member in value.EnumerateObject())
            {
                _ = member.Name;
                ReadAll(member.Value);
            }
        }
    }
}
