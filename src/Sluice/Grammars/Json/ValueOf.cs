using System.Text.Json;
using Sluice.Grammars.Machine;
using Sluice.Grammars.Syntax;

namespace Sluice.Grammars.Json;

/// <summary>A value for which all of some schemas hold, by their own keywords: alternatives and references are resolved.</summary>
internal sealed class ValueOf(JsonSchema compiler, JsonValues values, IReadOnlyList<Schema> schemas)
{
    public Expression Compile()
    {
        if (schemas.Any(schema => schema.Element.ValueKind == JsonValueKind.False))
            return Expression.Nothing;
        IReadOnlySet<string> types = SchemaTypes.Of(schemas);
        return Constants() is { } constants
            ? Expression.Any([.. constants.Where(constant => IsOf(constant, types)).Select(JsonText.Constant)])
            : Expression.Any([.. types.Select(OfType)]);
    }

    private Expression OfType(string type) => type switch
    {
        "null" => JsonValues.Null,
        "boolean" => JsonValues.Boolean,
        "string" => String(),
        "integer" => Number(isInteger: true),
        "number" => Number(isInteger: false),
        "array" => Array(),
        _ => Object(),
    };

    private Expression String()
    {
        int min = Largest("minLength"), max = Smallest("maxLength");
        Expression? content = null;
        foreach (Schema schema in schemas)
        {
            foreach (string pattern in schema.Texts("pattern"))
                And(Pattern(pattern, schema, "pattern", isSearch: true));
            foreach (string format in schema.Texts("format"))
            {
                And(StringFormats.All.TryGetValue(format, out string? known) ? Pattern(known, schema, "format", isSearch: false)
                    : throw schema.Unsupported("format", $"with the value '{format}': {string.Join(", ", StringFormats.All.Keys)} are"));
            }
        }
        if (content is null && min == 0 && max == int.MaxValue)
            return values.String;
        if (max < min)
            return Expression.Nothing;
        if (content is null)
            return JsonText.Quoted(JsonText.AnyCharacter.Times(min, max));
        if (min > 0 || max < int.MaxValue)
            And(JsonText.Of(CodePoints.All).Times(min, max));
        return JsonText.Quoted(content);

        void And(Expression more) => content = content is null ? more : Product.Both(content, more);
    }

    private static Expression Pattern(string pattern, Schema schema, string keyword, bool isSearch)
    {
        try
        {
            return RegexParser.Parse(pattern, set => JsonText.Of(InUtf16(set)), isSearch);
        }
        catch (GrammarException error)
        {
            throw new GrammarException($"The schema at {schema.Path} has a '{keyword}' that cannot be used. {error.Message}");
        }
    }

    /// <summary>
    /// Characters beyond U+FFFF are two to validators that count in UTF-16, so that they match other patterns there: none is taken
    /// where there are others.
    /// </summary>
    private static CodePoints InUtf16(CodePoints set) =>
        set.Without(CodePoints.Of((0x10000, CodePoints.Max))) is { Ranges.Count: > 0 } others ? others : set;

    private Expression Number(bool isInteger)
    {
        NumberRange range = default;
        foreach (Schema schema in schemas)
        {
            range = range.And(new NumberRange(schema.Number("minimum"), schema.Number("maximum"), false, false))
                .And(new NumberRange(schema.Number("exclusiveMinimum"), schema.Number("exclusiveMaximum"), true, true));
        }
        Schema[] multiples = [.. schemas.Where(schema => schema["multipleOf"] is not null)];
        if (range == default && multiples.Length == 0)
            return isInteger ? values.Integer : values.Number;
        Expression numbers = range.Of(isInteger ? NumberRange.AnyInteger : NumberRange.Any);
        foreach (Schema schema in multiples)
        {
            numbers = Multiples.Of(numbers, schema.Number("multipleOf")!.Value)
                ?? throw schema.Unsupported("multipleOf", "but for whole numbers up to 1000 and for 0.1, 0.01 and so on");
        }
        return numbers;
    }

    private Expression Array()
    {
        if (schemas.FirstOrDefault(schema => schema.Flag("uniqueItems")) is { IsObject: true } unique)
            throw unique.Unsupported("uniqueItems", "where it is true");
        Schema[][] prefixes = [.. schemas.Select(schema => schema.Array("prefixItems").ToArray())];
        Schema?[] rests = [.. schemas.Select(schema => schema["items"] is { } items ? schema.Child(items, "items") : (Schema?)null)];
        return values.ArrayOf(
            [.. Enumerable.Range(0, prefixes.Max(prefix => prefix.Length)).Select(Item)], Item(int.MaxValue), Largest("minItems"), Smallest("maxItems"));

        Expression Item(int index) => compiler.Value(
            [.. prefixes.Select((prefix, i) => index < prefix.Length ? prefix[index] : rests[i]).OfType<Schema>()]);
    }

    private Expression Object()
    {
        List<string> names = [.. schemas.SelectMany(schema => schema.Map("properties").Select(member => member.Name)).Distinct()];
        HashSet<string> required = [.. schemas.SelectMany(schema => schema.Texts("required"))];
        bool isAnything = names.Count == 0 && required.Count == 0;
        names.AddRange(required.Where(name => !names.Contains(name)));
        Dictionary<string, Schema>[] properties = [.. schemas.Select(schema => schema.Map("properties").ToDictionary(member => member.Name, member => member.Schema))];
        Schema?[] others = [.. schemas.Select(schema => schema["additionalProperties"] is { } other ? schema.Child(other, "additionalProperties") : (Schema?)null)];
        Expression[] members = [.. names.Select(name => values.Member(
            JsonText.Quoted(JsonText.Content(name)),
            compiler.Value([.. properties.Select((map, i) => map.TryGetValue(name, out Schema schema) ? schema : others[i]).OfType<Schema>()])))];

        // Others than those that are named only where the schema says so, or says nothing of names.
        Expression? more = null;
        if ((isAnything || others.Any(other => other is not null)) && !others.Any(other => other?.Element.ValueKind == JsonValueKind.False))
        {
            Expression key = isAnything ? values.String : JsonText.Quoted(Product.Without(
                JsonText.Of(CodePoints.All).Times(0, int.MaxValue), Expression.Any([.. names.Select(JsonText.Content)])));
            more = values.Member(key, compiler.Value([.. others.OfType<Schema>()]));
        }
        int min = Largest("minProperties") - required.Count, max = Smallest("maxProperties");
        if (max < int.MaxValue)
            max -= names.Count;
        // Names that are not known beforehand may be the same, and so count once.
        if (min > (more is null ? 0 : 1) || (min == 1 && names.Count > required.Count) || max < 0)
        {
            Schema counts = schemas.First(schema => schema["minProperties"] is not null || schema["maxProperties"] is not null);
            throw counts.Unsupported(max < 0 ? "maxProperties" : "minProperties", "with these properties");
        }
        return values.ObjectOf(members, [.. names.Select(required.Contains)], more, Math.Max(min, 0), max);
    }

    /// <summary>The constants that all schemas with enum or const name; null where none does.</summary>
    private List<JsonElement>? Constants()
    {
        List<JsonElement>? constants = null;
        foreach (Schema schema in schemas)
        {
            if (schema["enum"] is { } list)
            {
                if (list.ValueKind != JsonValueKind.Array)
                    throw schema.Wrong("enum", "an array");
                And([.. list.EnumerateArray()]);
            }
            if (schema["const"] is { } constant)
                And([constant]);
        }
        return constants;

        void And(JsonElement[] more) => constants = [.. more.Where(value => constants is null || constants.Exists(other => JsonElement.DeepEquals(value, other)))];
    }

    /// <summary>Whether what else the schemas say holds for a constant.</summary>
    private bool IsOf(JsonElement constant, IReadOnlySet<string> types)
    {
        string type = SchemaTypes.Of(constant);
        if (!types.Contains(type) && !(type == "integer" && types.Contains("number")))
            return false;
        if (SchemaTypes.Keywords[type].FirstOrDefault(keyword => schemas.Any(schema => schema[keyword] is not null)) is not { } keyword)
            return true;
        if (type is "array" or "object")
            throw schemas.First(schema => schema[keyword] is not null).Unsupported(keyword, "beside constants that are arrays or objects");
        return Product.Both(JsonText.Constant(constant), OfType(type)).IsPossible;
    }

    private int Largest(string keyword) => schemas.Max(schema => schema.Count(keyword) ?? 0);

    private int Smallest(string keyword) => schemas.Min(schema => schema.Count(keyword) ?? int.MaxValue);
}
