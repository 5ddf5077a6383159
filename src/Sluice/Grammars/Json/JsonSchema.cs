using System.Text.Json;
using Sluice.Grammars.Syntax;

namespace Sluice.Grammars.Json;

/// <summary>
/// Makes a grammar of a JSON schema. What must hold of one value is a list of schemas (allOf and $ref put several together);
/// of alternatives (anyOf, oneOf) each is joined with the rest. So each list is a rule, which may call itself.
/// </summary>
internal sealed class JsonSchema
{
    private const int MostLists = 2_000;
    private const int MostDepth = 100;

    private static readonly string[] Alternatives = ["anyOf", "oneOf"];

    private readonly Schema _root;
    private readonly JsonValues _values = new();
    private readonly Dictionary<string, Rule> _rules = new(StringComparer.Ordinal);
    private int _lists, _depth;

    private JsonSchema(JsonElement root) => _root = new Schema(root, "#");

    /// <param name="schema">The schema.</param>
    /// <param name="path">Which schema within it is meant, by the names that lead there; that itself if there are none.</param>
    /// <exception cref="GrammarException">It is no schema, not supported, or no value can be valid.</exception>
    public static Expression Compile(JsonElement schema, params ReadOnlySpan<string> path)
    {
        JsonSchema compiler = new(schema);
        compiler._root.CheckUnicode();
        Schema inner = compiler._root;
        foreach (string name in path)
            inner = inner.Child(inner.Element.GetProperty(name), name);
        return compiler.Value([inner]);
    }

    /// <summary>A value for which some schemas hold.</summary>
    public Expression Value(IReadOnlyList<Schema> schemas)
    {
        Schema[] said = [.. schemas.Where(schema => !schema.SaysNothing)];
        if (said.Length == 0)
            return _values.Any;
        string key = string.Join('\n', said.Select(schema => schema.Path).Distinct().Order(StringComparer.Ordinal));
        if (_rules.TryGetValue(key, out Rule? rule))
            return new Call(rule);
        _rules.Add(key, rule = new Rule(said[0].Path));
        if (++_depth > MostDepth)
            throw new GrammarException($"The schema at {said[0].Path} is more than {MostDepth} levels deep.");
        rule.Body = Choose([], said);
        _depth--;
        return new Call(rule);
    }

    /// <summary>Adds schemas to those that hold already, and takes each of the alternatives that they leave.</summary>
    /// <param name="holding">Schemas without any that others put in.</param>
    /// <param name="more">Schemas to add.</param>
    /// <param name="open">Alternatives of which none was chosen yet: a schema and its keyword.</param>
    private Expression Choose(IReadOnlyList<Schema> holding, IEnumerable<Schema> more, params IEnumerable<(Schema Schema, string Keyword)> open)
    {
        if (++_lists > MostLists)
            throw new GrammarException("The schema has too many combinations of alternatives.");
        List<Schema> added = Flatten(more, holding.Select(schema => schema.Path));
        List<Schema> all = [.. holding, .. added];
        (Schema Schema, string Keyword)[] left =
        [
            .. open, .. added.SelectMany(schema => Alternatives.Where(keyword => schema[keyword] is not null).Select(keyword => (schema, keyword))),
        ];
        if (left.Length == 0)
            return new ValueOf(this, _values, all).Compile();
        (Schema from, string with) = left[0];
        Schema[] options = [.. from.Array(with)];
        foreach (Schema option in options)
        {
            if (Flatten([option]).Any(schema => schema.Path == from.Path))
                throw new GrammarException($"The schema at {option.Path} is an alternative of itself.");
        }
        if (with == "oneOf")
            Exclusion.Check(from, [.. options.Select(option => (IReadOnlyList<Schema>)[.. all, .. Flatten([option])])]);
        return Expression.Any([.. options.Select(option => Choose(all, [option], left[1..]))]);
    }

    /// <summary>Schemas with all that allOf and $ref join to them.</summary>
    private List<Schema> Flatten(IEnumerable<Schema> schemas, params IEnumerable<string> known)
    {
        List<Schema> all = [];
        HashSet<string> seen = new(known, StringComparer.Ordinal);
        Stack<Schema> open = new(schemas.Reverse());
        while (open.TryPop(out Schema schema))
        {
            if (!seen.Add(schema.Path))
                continue;
            schema.Check();
            all.Add(schema);
            foreach (Schema part in schema.Array("allOf").Reverse())
                open.Push(part);
            foreach (string reference in schema.Texts("$ref"))
                open.Push(Resolve(reference, schema));
        }
        return all;
    }

    private Schema Resolve(string reference, Schema from)
    {
        Schema at = _root;
        if (reference is not "#" && !reference.StartsWith("#/", StringComparison.Ordinal))
            throw from.Unsupported("$ref", $"unless it points into the same schema, as #/$defs/name; it is '{reference}'");
        foreach (string part in reference.Split('/').Skip(1))
        {
            string name = Uri.UnescapeDataString(part).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            JsonElement child = default;
            bool isThere = at.Element.ValueKind switch
            {
                JsonValueKind.Object => at.Element.TryGetProperty(name, out child),
                JsonValueKind.Array => int.TryParse(name, out int i) && i >= 0 && i < at.Element.GetArrayLength()
                    && (child = at.Element[i]).ValueKind != JsonValueKind.Undefined,
                _ => false,
            };
            if (!isThere)
                throw new GrammarException($"The schema at {from.Path} has the $ref '{reference}', which is not there.");
            at = at.Child(child, name);
        }
        return at;
    }
}
