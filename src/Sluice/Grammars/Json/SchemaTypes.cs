using System.Text.Json;

namespace Sluice.Grammars.Json;

/// <summary>The types of values that schemas allow.</summary>
internal static class SchemaTypes
{
    /// <summary>The types, and the keywords that are about each.</summary>
    public static IReadOnlyDictionary<string, string[]> Keywords { get; } = new Dictionary<string, string[]>
    {
        ["object"] = ["properties", "required", "additionalProperties", "minProperties", "maxProperties"],
        ["array"] = ["items", "prefixItems", "minItems", "maxItems", "uniqueItems"],
        ["string"] = ["minLength", "maxLength", "pattern", "format"],
        ["number"] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
        ["integer"] = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
        ["boolean"] = [],
        ["null"] = [],
    };

    /// <summary>
    /// The types for which all of some schemas hold; "integer" is only among them where "number" is not. Where none names a type,
    /// those that the schemas' keywords are about: values of other types would be valid too, but nobody means them.
    /// </summary>
    public static IReadOnlySet<string> Of(IReadOnlyList<Schema> schemas)
    {
        HashSet<string>? types = null;
        foreach (Schema schema in schemas.Where(schema => schema["type"] is not null))
        {
            HashSet<string> own = [.. schema.Texts("type")];
            if (own.Count == 0 || own.FirstOrDefault(type => !Keywords.ContainsKey(type)) is not null)
                throw schema.Wrong("type", "of " + string.Join(", ", Keywords.Keys));
            types = types is null ? own : [.. types.Where(type => own.Contains(type) || (type == "integer" && own.Contains("number")))
                .Concat(own.Where(type => type == "integer" && types.Contains("number")))];
        }
        types ??= schemas.Any(schema => schema["enum"] is not null || schema["const"] is not null) ? null
            : [.. Keywords.Where(type => type.Value.Any(keyword => schemas.Any(schema => schema[keyword] is not null))).Select(type => type.Key)];
        if (types is null or { Count: 0 } && !schemas.Any(schema => schema["type"] is not null))
            types = [.. Keywords.Keys];
        if (types!.Contains("number"))
            types.Remove("integer");
        return types;
    }

    /// <summary>The type of a value.</summary>
    public static string Of(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object => "object",
        JsonValueKind.Array => "array",
        JsonValueKind.String => "string",
        JsonValueKind.Number => value.TryGetDecimal(out decimal number) && number == decimal.Floor(number) ? "integer" : "number",
        JsonValueKind.Null => "null",
        _ => "boolean",
    };
}
