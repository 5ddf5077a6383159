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
            return JsonUnicode.FindHalfPair(value) is null;
        }
        catch (JsonException)
        {
            value = default;
            return false;
        }
    }
}
