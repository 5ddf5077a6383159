using System.Text.Json;

namespace Sluice.Grammars.Json;

/// <summary>
/// oneOf is anyOf where no two alternatives hold of the same value. That is required to be evident: by types, by constants of a
/// property (a discriminator), or by a required property that the other does not have.
/// </summary>
internal static class Exclusion
{
    /// <exception cref="GrammarException">A value made for one of the alternatives may be valid by another.</exception>
    public static void Check(Schema schema, IReadOnlyList<Schema>[] options)
    {
        for (int i = 0; i < options.Length; i++)
        {
            for (int j = 0; j < options.Length; j++)
            {
                if (i != j && !Excludes(options[i], options[j]))
                    throw schema.Unsupported("oneOf", $"where a value may be valid by two of its schemas, here {i} and {j}: use anyOf");
            }
        }
    }

    /// <summary>Whether no value that is made by one list of schemas is valid by the other.</summary>
    private static bool Excludes(IReadOnlyList<Schema> made, IReadOnlyList<Schema> other)
    {
        IReadOnlySet<string> types = SchemaTypes.Of(made), otherTypes = SchemaTypes.Of([.. other.Where(schema => schema["type"] is not null)]);
        if (!types.Any(type => otherTypes.Contains(type) || (type == "integer" && otherTypes.Contains("number")) || (type == "number" && otherTypes.Contains("integer"))))
            return true;
        if (Constants(made) is { } constants && Constants(other) is { } otherConstants)
            return !constants.Exists(value => otherConstants.Exists(otherValue => JsonElement.DeepEquals(value, otherValue)));
        if (!types.SetEquals(["object"]))
            return false;
        HashSet<string> names = [.. Names(made)], required = [.. Required(made)], otherRequired = [.. Required(other)];
        bool isClosed = !made.Any(schema => schema["additionalProperties"] is { ValueKind: not JsonValueKind.False });
        if (isClosed && otherRequired.Any(name => !names.Contains(name) && !required.Contains(name)))
            return true;
        if (other.Any(schema => schema["additionalProperties"] is { ValueKind: JsonValueKind.False } && required.Any(name => !Names([schema]).Contains(name))))
            return true;
        return required.Union(otherRequired).Any(name => Property(made, name) is { Count: > 0 } one && Property(other, name) is { Count: > 0 } two && Excludes(one, two));
    }

    private static IEnumerable<string> Names(IReadOnlyList<Schema> schemas) => schemas.SelectMany(schema => schema.Map("properties").Select(member => member.Name));

    private static IEnumerable<string> Required(IReadOnlyList<Schema> schemas) => schemas.SelectMany(schema => schema.Texts("required"));

    private static List<Schema> Property(IReadOnlyList<Schema> schemas, string name) =>
        [.. schemas.SelectMany(schema => schema.Map("properties").Where(member => member.Name == name).Select(member => member.Schema))];

    private static List<JsonElement>? Constants(IReadOnlyList<Schema> schemas)
    {
        Schema[] with = [.. schemas.Where(schema => schema["const"] is not null || schema["enum"] is { ValueKind: JsonValueKind.Array })];
        return with.Length == 0 ? null : with[0]["const"] is { } constant ? [constant] : [.. with[0]["enum"]!.Value.EnumerateArray()];
    }
}
