using System.Text.Json;
using Sluice.Tokenizers;

namespace Sluice.Grammars.Json;

/// <summary>A schema within a document, and its place there as a JSON pointer.</summary>
internal readonly record struct Schema(JsonElement Element, string Path)
{
    // What says nothing about whether a value is valid, or is asked for by others.
    private static readonly HashSet<string> Annotations =
    [
        "title", "description", "default", "examples", "example", "$schema", "$id", "$comment", "$defs", "definitions", "deprecated", "readOnly",
        "writeOnly",
        "condition", // no keyword of JSON Schema: Semantic Kernel writes an empty one into each function's
    ];

    // What the compiler reads.
    private static readonly HashSet<string> Keywords =
    [
        "$ref", "allOf", "anyOf", "oneOf", "type", "enum", "const", "properties", "required", "additionalProperties", "minProperties",
        "maxProperties", "items", "prefixItems", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "format", "minimum",
        "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    ];

    public bool IsObject => Element.ValueKind == JsonValueKind.Object;

    /// <summary>Whether it says no more than what the value is for.</summary>
    public bool SaysNothing => Element.ValueKind == JsonValueKind.True || (IsObject && Element.EnumerateObject().All(member => Annotations.Contains(member.Name)));

    public JsonElement? this[string keyword] => IsObject && Element.TryGetProperty(keyword, out JsonElement value) ? value : null;

    /// <summary>Refuses halves of surrogate pairs, which JSON may name alone and no text is made of.</summary>
    public void CheckUnicode()
    {
        if (JsonUnicode.FindHalfPair(Element) is { } way)
            throw new GrammarException($"The schema at {Child(default, [.. way.Select(step => step.Name ?? $"{step.Index}")]).Path} is not valid Unicode: it has half a surrogate pair.");
    }

    /// <summary>Refuses what is no schema, and every keyword that is not supported.</summary>
    public void Check()
    {
        if (Element.ValueKind is JsonValueKind.True or JsonValueKind.False)
            return;
        if (!IsObject)
            throw new GrammarException($"The schema at {Path} must be an object, true or false.");
        foreach (JsonProperty member in Element.EnumerateObject())
        {
            if (!Keywords.Contains(member.Name) && !Annotations.Contains(member.Name))
                throw new GrammarException($"The schema at {Path} has the keyword '{member.Name}', which is not supported.");
        }
    }

    public Schema Child(JsonElement element, params ReadOnlySpan<string> names)
    {
        string path = Path;
        foreach (string name in names)
            path += "/" + name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal);
        return new Schema(element, path);
    }

    public IEnumerable<Schema> Array(string keyword)
    {
        if (this[keyword] is not { } array)
            yield break;
        if (array.ValueKind != JsonValueKind.Array || array.GetArrayLength() == 0)
            throw Wrong(keyword, "an array with at least one element");
        int i = 0;
        foreach (JsonElement element in array.EnumerateArray())
            yield return Child(element, keyword, $"{i++}");
    }

    public IEnumerable<(string Name, Schema Schema)> Map(string keyword)
    {
        if (this[keyword] is not { } map)
            yield break;
        if (map.ValueKind != JsonValueKind.Object)
            throw Wrong(keyword, "an object");
        foreach (JsonProperty member in map.EnumerateObject())
            yield return (member.Name, Child(member.Value, keyword, member.Name));
    }

    public IEnumerable<string> Texts(string keyword)
    {
        if (this[keyword] is not { } texts)
            return [];
        if (texts.ValueKind == JsonValueKind.String && keyword != "required")
            return [Text(texts, keyword)];
        if (texts.ValueKind != JsonValueKind.Array)
            throw Wrong(keyword, "an array of strings");
        Schema schema = this;
        return [.. texts.EnumerateArray().Select(text => schema.Text(text, keyword))];
    }

    public int? Count(string keyword) => this[keyword] is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out decimal number) && number >= 0 && number == decimal.Floor(number)
            ? (int)Math.Min(number, int.MaxValue - 1) : throw Wrong(keyword, "a whole number from 0");

    public decimal? Number(string keyword) => this[keyword] is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out decimal number) ? number
        : throw Wrong(keyword, "a number that is not too large");

    public bool Flag(string keyword) => this[keyword] is { } value
        && (value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(keyword, "true or false"));

    public GrammarException Wrong(string keyword, string expected) => new($"The schema at {Path} has a '{keyword}' that must be {expected}.");

    public GrammarException Unsupported(string keyword, string why) => new($"The schema at {Path} has the keyword '{keyword}', which is not supported {why}.");

    private string Text(JsonElement text, string keyword)
    {
        if (text.ValueKind != JsonValueKind.String)
            throw Wrong(keyword, "strings");
        return text.GetString()!;
    }
}
