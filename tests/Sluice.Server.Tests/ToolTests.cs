using System.Text;
using System.Text.Json;
using OpenAI.Chat;
using ChatOptions = Sluice.Chat.ChatOptions;
using ChatTool = OpenAI.Chat.ChatTool;

namespace Sluice.Server.Tests;

/// <summary>Tools with the official client. The model tells stories: it calls a tool only where it must, which its grammar sees to.</summary>
public class ToolTests
{
    private static readonly ChatMessage[] Question = [new UserChatMessage("The weather?")];

    private static readonly ChatTool Weather = ChatTool.CreateFunctionTool("get_weather", "Weather", BinaryData.FromString("""
        {"type":"object","properties":{"city":{"type":"string","maxLength":8},"days":{"type":"integer","minimum":1,"maximum":5}},
         "required":["city","days"],"additionalProperties":false}
        """));

    private static readonly ChatTool Time = ChatTool.CreateFunctionTool("get_time");

    [Theory]
    [InlineData("hermes")]
    [InlineData("mistral")]
    [InlineData("harmony")]
    public async Task CallsThatMustBeAreMadeAndStreamed(string style)
    {
        await using RunningServer server = await StartAsync(style);
        ChatClient client = server.Chat();
        ChatCompletion whole = await client.CompleteChatAsync(Question, Options(ChatToolChoice.CreateRequiredChoice()));
        Assert.Equal(ChatFinishReason.ToolCalls, whole.FinishReason);
        Assert.Empty(whole.Content);
        Assert.NotEmpty(whole.ToolCalls);
        Assert.All(whole.ToolCalls, Check);

        SortedDictionary<int, (string Id, string Name, StringBuilder Arguments, int Pieces)> calls = [];
        ChatFinishReason? finish = null;
        await foreach (StreamingChatCompletionUpdate update in client.CompleteChatStreamingAsync(Question, Options(ChatToolChoice.CreateRequiredChoice())))
        {
            finish = update.FinishReason ?? finish;
            foreach (StreamingChatToolCallUpdate call in update.ToolCallUpdates)
            {
                if (!calls.TryGetValue(call.Index, out var known))
                {
                    Assert.NotNull(call.FunctionName); // the first says which tool it is
                    known = (call.ToolCallId, call.FunctionName, new StringBuilder(), 0);
                }
                known.Arguments.Append(call.FunctionArgumentsUpdate);
                calls[call.Index] = known with { Pieces = known.Pieces + 1 };
            }
        }
        Assert.Equal(ChatFinishReason.ToolCalls, finish);
        Assert.Equal(
            whole.ToolCalls.Select(call => (call.FunctionName, call.FunctionArguments.ToString())),
            calls.Values.Select(call => (call.Name, call.Arguments.ToString())));
        Assert.All(calls.Values.Where(call => call.Name == "get_weather"), call => Assert.True(call.Pieces > 3));
        Assert.Equal(calls.Count, calls.Values.Select(call => call.Id).Distinct().Count());
    }

    [Fact]
    public async Task ANamedToolIsCalledAndAnswered()
    {
        await using RunningServer server = await StartAsync();
        ChatCompletionOptions options = Options(ChatToolChoice.CreateFunctionChoice("get_weather"));
        ChatCompletion called = await server.Chat().CompleteChatAsync(Question, options);
        Assert.Equal("get_weather", Assert.Single(called.ToolCalls).FunctionName);
        Check(called.ToolCalls[0]);

        ChatMessage[] answered = [.. Question, new AssistantChatMessage(called), new ToolChatMessage(called.ToolCalls[0].Id, "rain")];
        ChatCompletion reply = await server.Chat().CompleteChatAsync(answered, new ChatCompletionOptions { MaxOutputTokenCount = 8, Temperature = 0 });
        Assert.Empty(reply.ToolCalls);
        Assert.NotEmpty(reply.Content[0].Text);
        (int status, JsonElement prompt) = await server.PostAsync("/apply-template", """
            {"messages":[{"role":"user","content":"Hi"},{"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"get_time","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"x","content":"noon"}],"tools":[{"type":"function","function":{"name":"get_time"}}]}
            """);
        Assert.Equal(200, status);
        Assert.Contains("<tool_response>\nnoon", prompt.GetProperty("prompt").GetString());
    }

    [Fact]
    public async Task WithoutNeedTheModelSpeaks()
    {
        await using RunningServer server = await StartAsync();
        foreach (ChatToolChoice choice in (ChatToolChoice[])[ChatToolChoice.CreateAutoChoice(), ChatToolChoice.CreateNoneChoice()])
        {
            ChatCompletion answer = await server.Chat().CompleteChatAsync(Question, Options(choice, 12));
            Assert.Empty(answer.ToolCalls);
            Assert.Equal((ChatFinishReason.Length, 12), (answer.FinishReason, answer.Usage.OutputTokenCount));
        }
    }

    [Fact]
    public async Task ThoughtsAreApart()
    {
        await using RunningServer server = await RunningServer.StartAsync(
            new ServerOptions { Chat = new ChatOptions { ReasoningStyle = "think", ToolStyle = "llama3" } },
            new EngineOptions { Threads = 1, Sequences = 2, Context = 2048, CheckIntegrity = true });
        string body = """
            {"messages":[{"role":"user","content":"Hi"}],"max_tokens":20,"temperature":0,"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","logit_bias":
            """ + ResponsesTests.Bias(server);
        (int status, JsonElement whole) = await server.PostAsync("/v1/chat/completions", body + "}");
        Assert.Equal(200, status);
        JsonElement message = whole.GetProperty("choices")[0].GetProperty("message");
        string thought = message.GetProperty("reasoning_content").GetString()!;
        Assert.StartsWith("<<<", thought);
        Assert.Equal("", message.GetProperty("content").GetString());
        Assert.InRange(whole.GetProperty("usage").GetProperty("completion_tokens_details").GetProperty("reasoning_tokens").GetInt32(), 5, 20);

        using HttpResponseMessage stream = await server.Http.PostAsync("/v1/chat/completions", new StringContent(body + ",\"stream\":true}"));
        StringBuilder streamed = new();
        foreach (string line in (await stream.Content.ReadAsStringAsync()).Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal)))
        {
            JsonElement delta = JsonElement.Parse(line[6..]).GetProperty("choices")[0].GetProperty("delta");
            streamed.Append(delta.TryGetProperty("reasoning_content", out JsonElement piece) ? piece.GetString() : "");
        }
        Assert.Equal(thought, streamed.ToString());
    }

    [Theory]
    [InlineData("""{"tools":[{"type":"retrieval"}]}""", "tools[0].type", "unsupported_parameter")]
    [InlineData("""{"tools":[{"type":"function","function":{}}]}""", "tools[0].function.name", "missing_required_parameter")]
    [InlineData("""{"tools":[{"type":"function","function":{"name":"a b"}}]}""", "tools[0].function.name", "invalid_value")]
    [InlineData("""{"tools":[{"type":"function","function":{"name":"a","colour":1}}]}""", "tools[0].function.colour", "unknown_parameter")]
    [InlineData("""{"tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"a"}}]}""", "tools", "invalid_value")]
    [InlineData("""{"tools":[{"type":"function","function":{"name":"a"}}],"tool_choice":{"type":"function","function":{"name":"b"}}}""", "tool_choice", "invalid_value")]
    [InlineData("""{"tool_choice":"required"}""", "tool_choice", "invalid_value")]
    [InlineData("""{"tool_choice":"perhaps"}""", "tool_choice", "invalid_value")]
    [InlineData("""{"tools":[{"type":"function","function":{"name":"a","parameters":{"type":"array"}}}],"tool_choice":"required"}""", "tools", "invalid_value")]
    [InlineData("""{"tools":[{"type":"function","function":{"name":"a","strict":true,"parameters":{"type":"object","if":{}}}}]}""", "tools", "invalid_value")]
    [InlineData("""{"reasoning_effort":"high"}""", "reasoning_effort", "unsupported_parameter")]
    public async Task MistakesAreNamed(string json, string param, string code)
    {
        await using RunningServer server = await StartAsync();
        (int status, JsonElement body) = await server.PostAsync("/v1/chat/completions", """{"messages":[{"role":"user","content":"x"}],""" + json[1..]);
        JsonElement error = body.GetProperty("error");
        Assert.Equal((400, param, code), (status, error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
    }

    private static Task<RunningServer> StartAsync(string? style = null) => RunningServer.StartAsync(
        new ServerOptions { Chat = new ChatOptions { ToolStyle = style } },
        new EngineOptions { Threads = 1, Sequences = 2, Context = 2048, CheckIntegrity = true });

    private static ChatCompletionOptions Options(ChatToolChoice choice, int maxTokens = 400)
    {
        ChatCompletionOptions options = new() { ToolChoice = choice, MaxOutputTokenCount = maxTokens, Seed = 3, Temperature = 1, AllowParallelToolCalls = false };
        options.Tools.Add(Weather);
        options.Tools.Add(Time);
        return options;
    }

    private static void Check(ChatToolCall call)
    {
        using JsonDocument arguments = JsonDocument.Parse(call.FunctionArguments);
        if (call.FunctionName == "get_weather")
        {
            Assert.NotNull(arguments.RootElement.GetProperty("city").GetString());
            Assert.InRange(arguments.RootElement.GetProperty("days").GetInt32(), 1, 5);
        }
        else
        {
            Assert.Equal(("get_time", 0), (call.FunctionName, arguments.RootElement.EnumerateObject().Count()));
        }
    }
}
