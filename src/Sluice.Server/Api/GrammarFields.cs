using System.Text.Json;
using Sluice.Grammars;
using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>
/// The fields that say what an answer must look like: OpenAI's response_format, vLLM's structured_outputs, and llama-server's
/// grammar and json_schema.
/// </summary>
internal static class GrammarFields
{
    /// <summary>Reads them; null where none is there.</summary>
    /// <exception cref="ApiException">One is wrong, or there are several.</exception>
    public static Grammar? Read(RequestFields fields, GrammarCache cache)
    {
        (string Path, Grammar? Grammar)[] all =
        [
            ("response_format", ReadFormat(fields.Object("response_format"), cache)),
            ("structured_outputs", ReadOutputs(fields.Object("structured_outputs"), cache)),
            ("grammar", Text(fields, "grammar", cache, Grammar.FromGbnf)),
            ("json_schema", Schema(fields, "json_schema", cache)),
        ];
        (string Path, Grammar? Grammar)[] given = [.. all.Where(field => field.Grammar is not null)];
        return given.Length < 2 ? given.FirstOrDefault().Grammar
            : throw ApiException.Bad(given[1].Path, $"{given[0].Path} and {given[1].Path} both say what the answer must look like: give one.");
    }

    /// <summary>Reads the form of an answer.</summary>
    /// <param name="format">What the client sent; null where it said nothing.</param>
    /// <param name="cache">The grammars that were made before.</param>
    /// <param name="isFlat">Whether a schema's fields stand beside its type, as in the Responses API, or in an object of their own.</param>
    public static Grammar? ReadFormat(RequestFields? format, GrammarCache cache, bool isFlat = false)
    {
        if (format is null)
            return null;
        Grammar? grammar = null;
        switch (format.Required(format.Text("type"), "type"))
        {
            case "text":
                break;
            case "json_object":
                grammar = Grammar.JsonObject;
                break;
            case "json_schema":
                RequestFields schema = isFlat ? format : format.Required(format.Object("json_schema"), "json_schema");
                _ = schema.Required(schema.Text("name"), "name");
                _ = schema.Text("description"); // for whoever reads the schema
                _ = schema.Flag("strict"); // a schema always holds
                grammar = schema.Required(Schema(schema, "schema", cache), "schema");
                schema.CheckAllRead();
                break;
            default:
                throw format.Wrong("type", "text, json_object or json_schema");
        }
        format.CheckAllRead();
        return grammar;
    }

    private static Grammar? ReadOutputs(RequestFields? outputs, GrammarCache cache)
    {
        if (outputs is null)
            return null;
        Grammar?[] all =
        [
            Schema(outputs, "json", cache),
            Text(outputs, "regex", cache, Grammar.FromRegex),
            Text(outputs, "grammar", cache, Grammar.FromGbnf),
            outputs.Any("choice") is null ? null : Make(outputs, "choice", () => Grammar.FromChoice(outputs.Texts("choice"))),
            outputs.Flag("json_object") is true ? Grammar.JsonObject : null,
        ];
        outputs.CheckAllRead();
        return all.Count(grammar => grammar is not null) == 1 ? all.First(grammar => grammar is not null)
            : throw ApiException.Bad("structured_outputs", "structured_outputs must have one of json, regex, choice, grammar and json_object.");
    }

    private static Grammar? Text(RequestFields fields, string name, GrammarCache cache, Func<string, Grammar> make) =>
        fields.Text(name) is { } text ? Make(fields, name, () => cache.Get(name, text, make)) : null;

    /// <summary>A schema, or its text.</summary>
    private static Grammar? Schema(RequestFields fields, string name, GrammarCache cache) => fields.Any(name) is not { } schema ? null
        : Make(fields, name, () => cache.Get("schema", schema.ValueKind == JsonValueKind.String ? fields.Text(name)! : schema.GetRawText(), Grammar.FromJsonSchema));

    private static Grammar Make(RequestFields fields, string name, Func<Grammar> make)
    {
        try
        {
            return make();
        }
        catch (GrammarException error)
        {
            throw ApiException.Bad(fields.Path(name), $"{fields.Path(name)}: {error.Message}");
        }
    }
}
