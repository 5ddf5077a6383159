using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Schema;
using System.Text.Json.Serialization.Metadata;
using Sluice.Server.Api;

namespace Sluice.Server.Reference;

/// <summary>
/// The OpenAPI 3.1 document of the server. Answers are described by the types that are written (their source-generated JSON),
/// requests by the endpoints' own descriptions.
/// </summary>
internal static class OpenApi
{
    private static readonly JsonSchemaExporterOptions Exported = new() { TreatNullObliviousAsNonNullable = true, TransformSchemaNode = Tidy };

    public static byte[] Write(IEnumerable<Route> routes, string model, string version)
    {
        JsonObject schemas = [];
        JsonObject paths = [];
        foreach (Route route in routes)
        {
            if (paths[route.Path] is not JsonObject path)
                paths[route.Path] = path = [];
            path[route.Method] = Operation(route, model, schemas);
        }
        JsonObject document = new()
        {
            ["openapi"] = "3.1.1",
            ["info"] = new JsonObject
            {
                ["title"] = "Sluice",
                ["version"] = version,
                ["description"] = $"An OpenAI-compatible server of the model {model}. Unknown or unsupported fields are errors that name them.",
            },
            ["servers"] = new JsonArray(new JsonObject { ["url"] = "/" }),
            ["paths"] = paths,
            ["components"] = new JsonObject
            {
                ["schemas"] = schemas,
                ["securitySchemes"] = new JsonObject { ["key"] = new JsonObject { ["type"] = "http", ["scheme"] = "bearer" } },
            },
        };
        return JsonSerializer.SerializeToUtf8Bytes(document, ApiJson.Default.JsonObject);
    }

    private static JsonObject Operation(Route route, string model, JsonObject schemas)
    {
        Description about = route.Description;
        JsonObject content = new() { [about.MediaType] = Media(about.Reply, schemas) };
        if (about.Event is { } events)
            content["text/event-stream"] = Media(events, schemas);
        JsonObject responses = new() { ["200"] = new JsonObject { ["description"] = "Done.", ["content"] = content } };
        if (about.IsProbe)
            responses["503"] = new JsonObject { ["description"] = "It is not.", ["content"] = new JsonObject { [about.MediaType] = Media(about.Reply, schemas) } };
        if (!about.IsOpen)
        {
            responses["default"] = new JsonObject
            {
                ["description"] = "What went wrong: 400 and 413 the request, 401 the key, 404 the name, 408 it took too long, 429 too many at once, 5xx the server.",
                ["content"] = new JsonObject { ["application/json"] = Media(ApiJson.Default.ErrorReply, schemas) },
            };
        }
        JsonObject operation = new()
        {
            ["operationId"] = string.Concat((route.Method + route.Path).Split('/', '-', '.', '{', '}').Select(word => word.Length == 0 ? "" : char.ToUpperInvariant(word[0]) + word[1..])),
            ["tags"] = new JsonArray((JsonNode)about.Tag),
            ["summary"] = about.Summary,
            // No key is needed where the server has none.
            ["security"] = about.IsOpen ? [] : new JsonArray(new JsonObject(), new JsonObject { ["key"] = new JsonArray() }),
            ["responses"] = responses,
        };
        if (about.Parameters.Count > 0)
        {
            operation["parameters"] = new JsonArray([.. about.Parameters.Select(parameter => new JsonObject
            {
                ["name"] = parameter.Key,
                ["in"] = "path",
                ["required"] = true,
                ["description"] = parameter.Value,
                ["schema"] = Field.Type("string"),
            })]);
        }
        if (about.Body is { } fields)
        {
            operation["requestBody"] = new JsonObject
            {
                ["required"] = true,
                ["content"] = new JsonObject
                {
                    ["application/json"] = new JsonObject { ["schema"] = Field.ObjectOf(fields), ["example"] = JsonNode.Parse(about.Example!) },
                },
            };
        }
        if (about.CSharp is { } code)
            operation["x-codeSamples"] = new JsonArray(new JsonObject { ["lang"] = "C#", ["source"] = code.Replace("MODEL", model, StringComparison.Ordinal) });
        return operation;
    }

    private static JsonObject Media(JsonTypeInfo? type, JsonObject schemas)
    {
        if (type is null)
            return new JsonObject { ["schema"] = Field.Type("string") };
        string name = type.Type.Name.Split('`')[0], reference = "#/components/schemas/" + name;
        if (!schemas.ContainsKey(name))
        {
            JsonNode schema = type.GetJsonSchemaAsNode(Exported);
            Rebase(schema, reference);
            schemas[name] = schema;
        }
        return new JsonObject { ["schema"] = new JsonObject { ["$ref"] = reference } };
    }

    /// <summary>What may be null may be absent.</summary>
    private static JsonNode Tidy(JsonSchemaExporterContext context, JsonNode schema)
    {
        if (schema is JsonValue)
            return new JsonObject(); // true: any JSON; some readers know schemas only as objects
        if (schema is not JsonObject { } node || node["properties"] is not JsonObject properties || node["required"] is not JsonArray required)
            return schema;
        string[] always = [.. required.Select(name => name!.GetValue<string>()).Where(name => properties[name]?["type"] is not JsonArray)];
        node["required"] = new JsonArray([.. always.Select(name => (JsonNode)name)]);
        return node;
    }

    /// <summary>References to parts of a schema begin where it lies in the document.</summary>
    private static void Rebase(JsonNode? node, string start)
    {
        if (node is JsonArray array)
        {
            foreach (JsonNode? item in array)
                Rebase(item, start);
        }
        else if (node is JsonObject fields)
        {
            if (fields["$ref"]?.GetValue<string>() is { } reference)
                fields["$ref"] = start + reference[1..];
            foreach ((_, JsonNode? value) in fields)
                Rebase(value, start);
        }
    }
}
