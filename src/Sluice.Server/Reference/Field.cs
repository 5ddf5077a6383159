using System.Text.Json.Nodes;

namespace Sluice.Server.Reference;

/// <summary>A field of a request, with its JSON schema. A test holds these to what the endpoints read.</summary>
/// <param name="Name">As it is written in JSON.</param>
/// <param name="Schema">Its type and bounds, without the description.</param>
/// <param name="About">What it means.</param>
/// <param name="IsRequired">Whether it must be there.</param>
internal sealed record Field(string Name, JsonObject Schema, string About, bool IsRequired = false)
{
    public static Field Text(string name, string about) => new(name, Type("string"), about);

    public static Field Choice(string name, string about, params ReadOnlySpan<string> values)
    {
        JsonObject schema = Type("string");
        schema["enum"] = new JsonArray([.. values.ToArray().Select(value => (JsonNode)value)]);
        return new Field(name, schema, about);
    }

    public static Field Flag(string name, bool byDefault, string about) => new(name, With(Type("boolean"), "default", byDefault), about);

    public static Field Integer(string name, int? min, int? max, string about) =>
        new(name, With(With(Type("integer"), "minimum", min), "maximum", max), about);

    public static Field Number(string name, double min, double max, double byDefault, string about) =>
        new(name, With(With(With(Type("number"), "minimum", min), "maximum", max), "default", byDefault), about);

    /// <summary>A text or several.</summary>
    public static Field Texts(string name, string about) => OneOf(name, about, Type("string"), ArrayOf(Type("string")));

    public static Field OneOf(string name, string about, params JsonNode[] schemas) => new(name, new JsonObject { ["anyOf"] = new JsonArray(schemas) }, about);

    public static Field Array(string name, JsonObject items, string about) => new(name, ArrayOf(items), about);

    /// <summary>An object with these fields and no others.</summary>
    public static Field Object(string name, string about, params Field[] fields) => new(name, ObjectOf(fields), about);

    /// <summary>An object with any fields.</summary>
    public static Field Map(string name, JsonObject values, string about) => new(name, With(Type("object"), "additionalProperties", values), about);

    public Field Required() => this with { IsRequired = true };

    public static JsonObject Type(string name) => new() { ["type"] = name };

    public static JsonObject ArrayOf(JsonObject items) => new() { ["type"] = "array", ["items"] = items };

    public static JsonObject ObjectOf(params ReadOnlySpan<Field> fields)
    {
        JsonObject properties = [];
        JsonArray required = [];
        foreach (Field field in fields)
        {
            JsonObject schema = (JsonObject)field.Schema.DeepClone();
            schema["description"] = field.About;
            properties[field.Name] = schema;
            if (field.IsRequired)
                required.Add((JsonNode)field.Name);
        }
        JsonObject result = new() { ["type"] = "object", ["properties"] = properties, ["additionalProperties"] = false };
        return required.Count > 0 ? With(result, "required", required) : result;
    }

    private static JsonObject With(JsonObject schema, string key, JsonNode? value)
    {
        if (value is not null)
            schema[key] = value;
        return schema;
    }
}
