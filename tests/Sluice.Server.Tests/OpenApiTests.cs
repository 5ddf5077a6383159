using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Routing;
using Microsoft.OpenApi;
using Microsoft.OpenApi.Reader;

namespace Sluice.Server.Tests;

/// <summary>The OpenAPI document says what the endpoints do, no more and no less.</summary>
public class OpenApiTests
{
    // The adapters' endpoints only say that they are not allowed, unless the server is told otherwise; AdapterTests have them.
    private static readonly string[] Guarded = ["/v1/load_lora_adapter", "/v1/unload_lora_adapter"];

    public static TheoryData<string> Takers => ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/tokenize", "/detokenize", "/apply-template"];

    [Fact]
    public async Task TheDocumentIsValidAndListsEveryRoute()
    {
        await using RunningServer server = await RunningServer.StartAsync(new ServerOptions { ApiKeys = ["secret"] }); // it is open all the same
        ReadResult read = OpenApiDocument.Parse(await server.Http.GetStringAsync("/openapi.json"), "json");
        Assert.Empty(read.Diagnostic!.Errors);
        Assert.Empty(read.Diagnostic.Warnings);
        string[] routes = [.. ((IEndpointRouteBuilder)server.App).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>().Select(endpoint =>
            endpoint.Metadata.GetRequiredMetadata<HttpMethodMetadata>().HttpMethods.Single() + " " + endpoint.RoutePattern.RawText!.Replace("{**", "{")).Order(StringComparer.Ordinal)];
        Assert.Equal(routes, read.Document!.Paths.SelectMany(path =>
            path.Value.Operations!.Select(operation => operation.Key.Method + " " + path.Key)).Order(StringComparer.Ordinal));
        Assert.All(read.Document.Paths.SelectMany(path => path.Value.Operations!.Values), operation => Assert.NotEmpty(operation.Summary!));
        Assert.Equal(
            Takers.Select(row => (string)row).Concat(Guarded).Order(StringComparer.Ordinal),
            read.Document.Paths.Where(path => path.Value.Operations!.Values.Any(o => o.RequestBody is not null)).Select(path => path.Key).Order(StringComparer.Ordinal));
        IOpenApiSchema reply = read.Document.Components!.Schemas!["ChatReply"];
        Assert.Equal(["id", "object", "created", "model", "choices", "usage"], reply.Properties!.Keys);
        Assert.Contains("finish_reason", reply.Properties["choices"].Items!.Properties!.Keys);
    }

    /// <summary>Each field that the document has is read as it says, and there are no others.</summary>
    [Theory]
    [MemberData(nameof(Takers))]
    public async Task FieldsAreThoseThatAreRead(string path)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        JsonElement content = (await server.GetAsync("/openapi.json")).GetProperty("paths").GetProperty(path).GetProperty("post")
            .GetProperty("requestBody").GetProperty("content").GetProperty("application/json");
        JsonElement properties = content.GetProperty("schema").GetProperty("properties");
        string example = content.GetProperty("example").GetRawText();
        Assert.Equal(200, (await server.PostAsync(path, example)).Status);

        string message = await ErrorAsync("wibble", JsonValue.Create(1), "unknown_parameter");
        string[] known = message[(message.IndexOf("known: ", StringComparison.Ordinal) + 7)..].TrimEnd('.').Split(", ");
        Assert.Equal(properties.EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal), known);

        foreach (JsonProperty property in properties.EnumerateObject())
        {
            JsonElement schema = property.Value;
            string type = schema.TryGetProperty("type", out JsonElement named) ? named.GetString()! : "";
            message = await ErrorAsync(property.Name, type is "string" or "boolean" ? JsonValue.Create(7) : JsonValue.Create("x"), null);
            string? expected = type switch
            {
                "boolean" => "true or false",
                "integer" => "a whole number" + Bounds(schema),
                "number" => "a number" + Bounds(schema),
                "string" when !schema.TryGetProperty("enum", out _) => "a string",
                _ => null,
            };
            if (expected is not null)
                Assert.Equal($"{property.Name} must be {expected}.", message);
        }

        async Task<string> ErrorAsync(string name, JsonNode wrong, string? code)
        {
            bool isOfChat = path == "/tokenize" && name is "chat_template_kwargs" or "tools" or "tool_choice" or "parallel_tool_calls";
            JsonObject body = JsonNode.Parse(isOfChat ? """{"messages":[{"role":"user","content":"x"}]}""" : example)!.AsObject();
            // A text is a prompt, a list of stops and the name of a choice, too.
            body[name] = name is "prompt" or "messages" or "stop" or "tool_choice" or "content" or "input" or "json_schema" ? JsonValue.Create(7) : wrong;
            if (name is "stream_options" or "top_logprobs")
                body[name == "stream_options" ? "stream" : "logprobs"] = true;
            (int status, JsonElement answer) = await server.PostAsync(path, body.ToJsonString());
            Assert.True(status is 400 or 404, $"{name}: {answer}");
            JsonElement error = answer.GetProperty("error");
            Assert.Equal((name, code ?? error.GetProperty("code").GetString()), (error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
            return error.GetProperty("message").GetString()!;
        }
    }

    private static string Bounds(JsonElement schema) => (Bound(schema, "minimum"), Bound(schema, "maximum")) switch
    {
        (null, _) => "",
        ({ } min, null) => $" from {min}",
        ({ } min, { } max) => $" from {min} to {max}",
    };

    private static string? Bound(JsonElement schema, string name) =>
        schema.TryGetProperty(name, out JsonElement value) ? value.GetDouble().ToString(CultureInfo.InvariantCulture) : null;

    [Theory]
    [InlineData("prompt", """{"messages":[{"role":"user","content":"x"}],"prompt":"x"}""")]
    [InlineData("add_special_tokens", """{"messages":[{"role":"user","content":"x"}],"add_special_tokens":false}""")]
    [InlineData("tools", """{"prompt":"x","tools":[]}""")]
    public async Task TokenizeTakesATextOrAConversation(string field, string body)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        (int status, JsonElement answer) = await server.PostAsync("/tokenize", body);
        Assert.Equal((400, field), (status, answer.GetProperty("error").GetProperty("param").GetString()));
        Assert.Equal(200, (await server.PostAsync("/tokenize", """{"messages":[{"role":"user","content":"x"}],"tools":[],"chat_template_kwargs":{}}""")).Status);
    }

    /// <summary>Fields within fields: what the document has there is what the error of an unknown one tells.</summary>
    [Theory]
    [InlineData("/v1/chat/completions", "stream_options", """{"messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"wibble":1}}""")]
    [InlineData("/v1/chat/completions", "messages", """{"messages":[{"role":"user","content":"x","wibble":1}]}""")]
    [InlineData("/v1/chat/completions", "messages.content", """{"messages":[{"role":"user","content":[{"type":"text","text":"x","wibble":1}]}]}""")]
    [InlineData("/v1/chat/completions", "messages.tool_calls", """{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"x"},"wibble":1}]}]}""")]
    [InlineData("/v1/chat/completions", "messages.tool_calls.function", """{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"x","wibble":1}}]}]}""")]
    [InlineData("/v1/chat/completions", "response_format", """{"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{}},"wibble":1}}""")]
    public async Task FieldsWithinFieldsAreThoseThatAreRead(string path, string field, string body)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        JsonElement schema = (await server.GetAsync("/openapi.json")).GetProperty("paths").GetProperty(path).GetProperty("post")
            .GetProperty("requestBody").GetProperty("content").GetProperty("application/json").GetProperty("schema");
        foreach (string name in field.Split('.'))
            schema = Inner(schema.GetProperty("properties").GetProperty(name));
        (int status, JsonElement answer) = await server.PostAsync(path, body);
        string message = answer.GetProperty("error").GetProperty("message").GetString()!;
        Assert.Equal(400, status);
        Assert.Equal(schema.GetProperty("properties").EnumerateObject().Select(property => property.Name).Order(StringComparer.Ordinal),
            message[(message.IndexOf("known: ", StringComparison.Ordinal) + 7)..].TrimEnd('.').Split(", "));

        static JsonElement Inner(JsonElement schema) =>
            schema.TryGetProperty("items", out JsonElement items) ? Inner(items)
            : schema.TryGetProperty("anyOf", out JsonElement forms) ? Inner(forms.EnumerateArray().Single(form => form.GetProperty("type").GetString() == "array"))
            : schema;
    }
}
