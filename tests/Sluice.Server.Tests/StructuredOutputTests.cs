using System.Text.Json;
using OpenAI.Chat;

namespace Sluice.Server.Tests;

/// <summary>Answers of a given form, through the official client and by the fields of other servers.</summary>
public class StructuredOutputTests
{
    private const string Schema = """
        {"type":"object","properties":{"name":{"type":"string","maxLength":10},"age":{"type":"integer","minimum":0,"maximum":120}},
        "required":["name","age"],"additionalProperties":false}
        """;

    private static readonly ChatMessage[] Story = [new UserChatMessage("Once upon a time")];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task TheClientsSchemaHolds(bool isStrict)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        ChatCompletionOptions options = new()
        {
            Temperature = 1,
            Seed = 3,
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("person", BinaryData.FromString(Schema), "A person.", isStrict),
        };
        ChatCompletion answer = await server.Chat().CompleteChatAsync(Story, options);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        Check(answer.Content[0].Text);
        string streamed = "";
        await foreach (StreamingChatCompletionUpdate update in server.Chat().CompleteChatStreamingAsync(Story, options))
            streamed += string.Concat(update.ContentUpdate.Select(part => part.Text));
        Assert.Equal(answer.Content[0].Text, streamed);

        static void Check(string text)
        {
            JsonElement person = JsonDocument.Parse(text).RootElement;
            Assert.Equal(["name", "age"], person.EnumerateObject().Select(member => member.Name));
            Assert.InRange(person.GetProperty("name").GetString()!.Length, 0, 20);
            Assert.InRange(person.GetProperty("age").GetInt32(), 0, 120);
        }
    }

    [Fact]
    public async Task AJsonObjectIsOne()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        // The model knows stories alone: a liking for what closes objects keeps them short.
        ChatCompletionOptions options = new() { Temperature = 0, MaxOutputTokenCount = 200, ResponseFormat = ChatResponseFormat.CreateJsonObjectFormat() };
        foreach (string closing in (string[])["\"", "}", "\"}", ":", "1"])
            options.LogitBiases[server.Engine.Tokenizer!.Encode(closing, addSpecial: false)[^1]] = 20;
        ChatCompletion answer = await server.Chat().CompleteChatAsync(Story, options);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(answer.Content[0].Text).RootElement.ValueKind);
    }

    [Theory]
    [InlineData(""" "structured_outputs":{"regex":"[A-Z][a-z]{2,5} [0-9]{2}"} """, "^[A-Z][a-z]{2,5} [0-9]{2}$")]
    [InlineData(""" "structured_outputs":{"choice":["yes, it is","no"]} """, "^(yes, it is|no)$")]
    [InlineData(""" "structured_outputs":{"json":{"type":"integer","minimum":10,"maximum":19}} """, "^1[0-9]$")]
    [InlineData(""" "structured_outputs":{"json":"{\"type\":\"null\"}"} """, "^null$")]
    [InlineData(""" "structured_outputs":{"grammar":"root ::= \"a\"{3} [xyz]"} """, "^aaa[xyz]$")]
    [InlineData(""" "grammar":"root ::= \"a\"{3} [xyz]" """, "^aaa[xyz]$")]
    [InlineData(""" "json_schema":{"const":[1,"x"]} """, "^\\[1,\"x\"\\]$")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"boolean"}}} """, "^(true|false)$")]
    [InlineData(""" "response_format":{"type":"text"},"stop":"." """, "[a-z]{3}")]
    public async Task OtherServersFieldsHold(string field, string pattern)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        foreach ((string path, string prompt) in ((string, string)[])[("/v1/chat/completions", "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]"), ("/v1/completions", "\"prompt\":\"x\"")])
        {
            (int status, JsonElement body) = await server.PostAsync(path, $"{{{prompt},\"seed\":1,\"max_tokens\":100,\"logprobs\":{(path.Contains("chat") ? "true" : "0")},{field}}}");
            Assert.True(status == 200, body.ToString());
            JsonElement choice = body.GetProperty("choices")[0];
            string text = choice.TryGetProperty("message", out JsonElement message) ? message.GetProperty("content").GetString()! : choice.GetProperty("text").GetString()!;
            Assert.Matches(pattern, text);
            if (!field.Contains("\"text\""))
                Assert.Equal("stop", choice.GetProperty("finish_reason").GetString());
        }
    }

    [Theory]
    [InlineData(""" "response_format":{"type":"json_schema"} """, "response_format.json_schema", "missing_required_parameter")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"schema":{}}} """, "response_format.json_schema.name", "missing_required_parameter")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"x"}} """, "response_format.json_schema.schema", "missing_required_parameter")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"properties":{"a":{"uniqueItems":true}}}}} """, "response_format.json_schema.schema", "invalid_value", "#/properties/a", "uniqueItems")]
    [InlineData(""" "response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"wibble":1}}} """, "response_format.json_schema.schema", "invalid_value", "'wibble'")]
    [InlineData(""" "response_format":{"type":"xml"} """, "response_format.type", "invalid_value")]
    [InlineData(""" "response_format":{"type":"json_object","colour":1} """, "response_format.colour", "unknown_parameter")]
    [InlineData(""" "response_format":"json" """, "response_format", "invalid_value")]
    [InlineData(""" "structured_outputs":{} """, "structured_outputs", "invalid_value")]
    [InlineData(""" "structured_outputs":{"regex":"(?=a)"} """, "structured_outputs.regex", "invalid_value", "lookaround")]
    [InlineData(""" "structured_outputs":{"choice":[]} """, "structured_outputs.choice", "invalid_value")]
    [InlineData(""" "grammar":"root ::= x" """, "grammar", "invalid_value", "'x'")]
    [InlineData(""" "grammar":"root ::= \"a\"","response_format":{"type":"json_object"} """, "grammar", "invalid_value", "give one")]
    public async Task WrongFormsAreToldWhatIsWrong(string field, string param, string code, params string[] said)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        (int status, JsonElement body) = await server.PostAsync("/v1/chat/completions", $"{{\"messages\":[{{\"role\":\"user\",\"content\":\"x\"}}],{field}}}");
        JsonElement error = body.GetProperty("error");
        Assert.Equal((400, param, code), (status, error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
        Assert.All(said, text => Assert.Contains(text, error.GetProperty("message").GetString()));
    }
}
