using System.Text.Json;
using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>A field that has a text, some token ids, or an array of either.</summary>
internal static class PromptField
{
    /// <summary>The tokens of each text.</summary>
    public static int[][] Read(ApiContext api, RequestFields fields, string name)
    {
        if (fields.Any(name) is not { } prompt)
            throw fields.Missing(name);
        JsonElement[] items = prompt.ValueKind == JsonValueKind.Array ? [.. prompt.EnumerateArray()] : [];
        if (prompt.ValueKind == JsonValueKind.String || items.All(item => item.ValueKind == JsonValueKind.String))
        {
            int[][] texts = [.. fields.Texts(name).Select(text => api.Tokenizer.Encode(text))];
            return texts.Length > 0 ? texts : throw Wrong();
        }
        return items[0].ValueKind == JsonValueKind.Number ? [Tokens(items)] : [.. items.Select(item =>
            item.ValueKind == JsonValueKind.Array ? Tokens(item.EnumerateArray()) : throw Wrong())];

        int[] Tokens(IEnumerable<JsonElement> ids) => [.. ids.Select(id =>
            id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out int token) && (uint)token < (uint)api.Vocabulary ? token : throw Wrong())];

        ApiException Wrong() => fields.Wrong(name, $"a text, an array of token ids below {api.Vocabulary}, or an array of these");
    }
}
