using System.Text;
using System.Text.Json;
using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>What a message says: a text, or parts that are texts.</summary>
internal static class TextParts
{
    /// <summary>Reads it; null where it is not there.</summary>
    /// <param name="fields">The message.</param>
    /// <param name="name">The field.</param>
    /// <param name="types">What the types of parts that are texts are called.</param>
    public static string? Read(RequestFields fields, string name, params string[] types)
    {
        if (fields.Any(name) is not { ValueKind: JsonValueKind.Array } parts)
            return fields.Text(name);
        StringBuilder text = new();
        foreach ((int i, JsonElement item) in parts.EnumerateArray().Index())
        {
            RequestFields part = new(item, fields.Path($"{name}[{i}]"));
            string? type = part.Text("type");
            if (!types.Contains(type))
                throw ApiException.Unsupported(part.Path("type"), $"{part.Path("type")} must be {string.Join(" or ", types)}: this model takes nothing else.");
            text.Append(part.Required(part.Text("text"), "text"));
            if (type == "output_text")
            {
                foreach (string mark in (string[])["annotations", "logprobs"]) // of our own answers, which come back; they have none
                {
                    if (part.Array(mark)?.GetArrayLength() > 0)
                        throw ApiException.Unsupported(part.Path(mark), $"{part.Path(mark)} is not supported.");
                }
            }
            part.CheckAllRead();
        }
        return text.ToString();
    }
}
