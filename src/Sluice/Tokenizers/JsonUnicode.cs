using System.Text.Json;

namespace Sluice.Tokenizers;

/// <summary>JSON can name halves of surrogate pairs (<c>"\ud83d"</c>), of which no text is made: reading such a string throws.</summary>
public static class JsonUnicode
{
    /// <summary>Finds a string with half a surrogate pair.</summary>
    /// <param name="value">Where to look, as deep as it goes.</param>
    /// <returns>
    /// The way to it from the outside in; where it is a name, the way to the object that has it. Null if there is none.
    /// </returns>
    public static IReadOnlyList<JsonStep>? FindHalfPair(JsonElement value)
    {
        List<JsonStep> way = [];
        return IsHalf(value, way) ? way : null;
    }

    private static bool IsHalf(JsonElement value, List<JsonStep> way)
    {
        try
        {
            if (value.ValueKind == JsonValueKind.String)
                _ = value.GetString();
            else if (value.ValueKind == JsonValueKind.Array)
            {
                foreach ((int i, JsonElement item) in value.EnumerateArray().Index())
                {
                    way.Add(new JsonStep(null, i));
                    if (IsHalf(item, way))
                        return true;
                    way.RemoveAt(way.Count - 1);
                }
            }
            else if (value.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty member in value.EnumerateObject())
                {
                    way.Add(new JsonStep(member.Name, -1));
                    if (IsHalf(member.Value, way))
                        return true;
                    way.RemoveAt(way.Count - 1);
                }
            }
            return false;
        }
        catch (InvalidOperationException)
        {
            return true;
        }
    }
}

/// <summary>A step into JSON: to a member of an object, or an item of an array.</summary>
/// <param name="Name">The member's name; null for an item.</param>
/// <param name="Index">The item's index; -1 for a member.</param>
public readonly record struct JsonStep(string? Name, int Index);
