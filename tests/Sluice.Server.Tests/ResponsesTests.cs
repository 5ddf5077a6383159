using System.ClientModel;
using System.Text;
using System.Text.Json;
using OpenAI;
using OpenAI.Responses;
using Sluice.Chat;

namespace Sluice.Server.Tests;

#pragma warning disable OPENAI001 // the client calls its Responses API experimental

/// <summary>/v1/responses with the official client.</summary>
public class ResponsesTests
{
    private const string Weather = """
        {"type":"object","properties":{"city":{"type":"string","maxLength":8},"days":{"type":"integer","minimum":1,"maximum":5}},
         "required":["city","days"],"additionalProperties":false}
        """;

    [Fact]
    public async Task StreamsWhatItAnswersInOnePiece()
    {
        await using RunningServer server = await StartAsync();
        ResponsesClient client = Client(server);
        ResponseResult whole = await client.CreateResponseAsync(Ask("Once upon a time"));
        Assert.Equal(ResponseStatus.Incomplete, whole.Status); // of length
        Assert.Equal(ResponseIncompleteStatusReason.MaxOutputTokens, whole.IncompleteStatusDetails.Reason);
        Assert.Equal((RunningServer.Model, 24), (whole.Model, whole.Usage.OutputTokenCount));
        Assert.Equal("v", whole.Metadata["k"]);
        Assert.Equal(MessageRole.Assistant, Assert.IsAssignableFrom<MessageResponseItem>(Assert.Single(whole.OutputItems)).Role);

        StringBuilder text = new();
        ResponseResult? last = null;
        List<int> numbers = [];
        List<Type> types = [];
        CreateResponseOptions options = Ask("Once upon a time");
        options.StreamingEnabled = true;
        await foreach (StreamingResponseUpdate update in await client.CreateResponseStreamingAsync(options))
        {
            numbers.Add(update.SequenceNumber);
            if (types.LastOrDefault() != update.GetType())
                types.Add(update.GetType());
            if (update is StreamingResponseOutputTextDeltaUpdate delta)
                text.Append(delta.Delta);
            last = (update as StreamingResponseIncompleteUpdate)?.Response ?? last;
        }
        Assert.Equal(whole.GetOutputText(), text.ToString());
        Assert.Equal(whole.GetOutputText(), last!.GetOutputText());
        Assert.True(text.Length > 10);
        Assert.Equal(Enumerable.Range(0, numbers.Count), numbers);
        Assert.Equal(
            [
                typeof(StreamingResponseCreatedUpdate), typeof(StreamingResponseInProgressUpdate), typeof(StreamingResponseOutputItemAddedUpdate),
                typeof(StreamingResponseContentPartAddedUpdate), typeof(StreamingResponseOutputTextDeltaUpdate), typeof(StreamingResponseOutputTextDoneUpdate),
                typeof(StreamingResponseContentPartDoneUpdate), typeof(StreamingResponseOutputItemDoneUpdate), typeof(StreamingResponseIncompleteUpdate),
            ],
            types);
    }

    [Fact]
    public async Task ToolsAreCalledAndAnsweredInTheSameConversation()
    {
        await using RunningServer server = await StartAsync();
        ResponsesClient client = Client(server);
        CreateResponseOptions options = Ask("Weather?", 400);
        options.Temperature = 1;
        options.Tools.Add(ResponseTool.CreateFunctionTool("get_weather", BinaryData.FromString(Weather), strictModeEnabled: true));
        options.ToolChoice = ResponseToolChoice.CreateFunctionChoice("get_weather");
        options.ParallelToolCallsEnabled = false;
        ResponseResult called = await client.CreateResponseAsync(options);
        FunctionCallResponseItem call = Assert.IsType<FunctionCallResponseItem>(Assert.Single(called.OutputItems));
        Assert.Equal((ResponseStatus.Completed, "get_weather"), (called.Status, call.FunctionName));
        Assert.InRange(JsonElement.Parse(call.FunctionArguments).GetProperty("days").GetInt32(), 1, 5);

        options.StreamingEnabled = true;
        StringBuilder arguments = new();
        string? done = null;
        await foreach (StreamingResponseUpdate update in await client.CreateResponseStreamingAsync(options))
        {
            if (update is StreamingResponseFunctionCallArgumentsDeltaUpdate delta)
                arguments.Append(delta.Delta);
            done = (update as StreamingResponseFunctionCallArgumentsDoneUpdate)?.FunctionArguments.ToString() ?? done;
        }
        Assert.Equal(done, arguments.ToString());
        Assert.InRange(JsonElement.Parse(done!).GetProperty("days").GetInt32(), 1, 5);

        // By the conversation that the server keeps, and by items that the client sends: the same.
        CreateResponseOptions kept = Ask(null), sent = Ask("Weather?");
        kept.PreviousResponseId = called.Id;
        sent.InputItems.Add(call);
        foreach (CreateResponseOptions next in (CreateResponseOptions[])[kept, sent])
            next.InputItems.Add(ResponseItem.CreateFunctionCallOutputItem(call.CallId, "rain"));
        ResponseResult answer = await client.CreateResponseAsync(kept), again = await client.CreateResponseAsync(sent);
        Assert.Equal(called.Id, answer.PreviousResponseId);
        Assert.Equal(answer.GetOutputText(), again.GetOutputText());
        Assert.Equal(answer.Usage.InputTokenCount, again.Usage.InputTokenCount);
        Assert.True(answer.Usage.InputTokenCount > 40);
    }

    [Fact]
    public async Task ResponsesAreKeptUntilTheyAreDeleted()
    {
        await using RunningServer server = await StartAsync();
        ResponsesClient client = Client(server);
        ResponseResult first = await client.CreateResponseAsync(Ask("My dog is called Rex."));
        ResponseResult found = await client.GetResponseAsync(first.Id);
        Assert.Equal((first.Id, first.GetOutputText()), (found.Id, found.GetOutputText()));
        CreateResponseOptions secret = Ask("A secret.");
        secret.StoredOutputEnabled = false;
        string unknown = ((ResponseResult)await client.CreateResponseAsync(secret)).Id;
        await client.DeleteResponseAsync(first.Id);
        foreach (string id in (string[])[first.Id, unknown])
        {
            Assert.Equal(404, (await Assert.ThrowsAsync<ClientResultException>(() => client.GetResponseAsync(id))).Status);
            CreateResponseOptions next = Ask("And?");
            next.PreviousResponseId = id;
            Assert.Contains("previous_response_not_found", (await Assert.ThrowsAsync<ClientResultException>(() => client.CreateResponseAsync(next))).Message);
        }
    }

    [Fact]
    public async Task TheStoreIsBounded()
    {
        await using RunningServer server = await StartAsync(memory: 6_000);
        List<string> ids = [];
        for (int i = 0; i < 8; i++)
            ids.Add(await CreateAsync($$"""{"input":"Number {{i}}","max_output_tokens":2}"""));
        Assert.Equal("response", (await server.GetAsync("/v1/responses/" + ids[^1])).GetProperty("object").GetString());
        Assert.Equal("not_found", (await server.GetAsync("/v1/responses/" + ids[0])).GetProperty("error").GetProperty("code").GetString());
        string large = await CreateAsync($$"""{"input":"Once","metadata":{"note":"{{new string('x', 6_000)}}"},"max_output_tokens":2}""");
        Assert.Equal("not_found", (await server.GetAsync("/v1/responses/" + large)).GetProperty("error").GetProperty("code").GetString());
        Assert.Equal("response", (await server.GetAsync("/v1/responses/" + ids[^1])).GetProperty("object").GetString());

        async Task<string> CreateAsync(string json)
        {
            (int status, JsonElement body) = await server.PostAsync("/v1/responses", json);
            Assert.Equal(200, status);
            return body.GetProperty("id").GetString()!;
        }
    }

    [Fact]
    public async Task AnswersHaveTheFormThatIsAskedFor()
    {
        await using RunningServer server = await StartAsync();
        CreateResponseOptions options = Ask("Once", 60);
        options.TextOptions = new ResponseTextOptions
        {
            TextFormat = ResponseTextFormat.CreateJsonSchemaFormat("mood", BinaryData.FromString("""{"type":"object","properties":{"mood":{"enum":["good","bad"]}},"required":["mood"],"additionalProperties":false}"""), null, true),
        };
        ResponseResult answer = await Client(server).CreateResponseAsync(options);
        Assert.Equal(ResponseStatus.Completed, answer.Status);
        Assert.Contains(JsonElement.Parse(answer.GetOutputText()).GetProperty("mood").GetString(), (string[])["good", "bad"]);
    }

    [Fact]
    public async Task ThoughtsAreItemsOfTheirOwn()
    {
        await using RunningServer server = await StartAsync(new ChatOptions { ReasoningStyle = "think", ToolStyle = "llama3" });
        string bias = Bias(server);
        string body = $$"""{"input":"Hi","max_output_tokens":20,"tools":[{"type":"function","name":"f"}],"tool_choice":"required","logit_bias":{{bias}}""";
        (int status, JsonElement whole) = await server.PostAsync("/v1/responses", body + "}");
        Assert.Equal(200, status);
        JsonElement item = whole.GetProperty("output")[0];
        Assert.Equal("reasoning", item.GetProperty("type").GetString());
        Assert.StartsWith("<<<", item.GetProperty("content")[0].GetProperty("text").GetString());
        Assert.InRange(whole.GetProperty("usage").GetProperty("output_tokens_details").GetProperty("reasoning_tokens").GetInt32(), 5, 20);

        using HttpResponseMessage stream = await server.Http.PostAsync("/v1/responses", new StringContent(body + ",\"stream\":true}"));
        string events = await stream.Content.ReadAsStringAsync();
        foreach (string name in (string[])["response.reasoning_text.delta", "response.reasoning_text.done", "response.output_item.done", "response.incomplete"])
            Assert.Contains($"event: {name}\ndata: {{\"type\":\"{name}\"", events);
    }

    [Fact]
    public async Task AnErrorOnTheWayIsPartOfTheStream()
    {
        using Gate gate = new();
        await using RunningServer server = await StartAsync(timeout: TimeSpan.FromMilliseconds(150), gate: gate);
        gate.Close(afterSteps: 3);
        using HttpResponseMessage stream = await server.Http.PostAsync(
            "/v1/responses", new StringContent("""{"input":"Once","max_output_tokens":1900,"ignore_eos":true,"stream":true}"""));
        string events = await stream.Content.ReadAsStringAsync();
        Assert.Contains("event: response.failed\n", events);
        Assert.Contains("\"error\":{\"code\":\"timeout\"", events);
        gate.Open();
        await server.ComesToRestAsync();
    }

    [Theory]
    [InlineData("{}", "input", "missing_required_parameter")]
    [InlineData("""{"input":[]}""", "input", "invalid_value")]
    [InlineData("""{"input":"x","wibble":1}""", "wibble", "unknown_parameter")]
    [InlineData("""{"input":"x","truncation":"auto"}""", "truncation", "unsupported_parameter")]
    [InlineData("""{"input":"x","background":true}""", "background", "unsupported_parameter")]
    [InlineData("""{"input":"x","include":["reasoning.encrypted_content"]}""", "include", "unsupported_parameter")]
    [InlineData("""{"input":"x","tools":[{"type":"web_search"}]}""", "tools[0].type", "unsupported_parameter")]
    [InlineData("""{"input":"x","reasoning":{"summary":"auto"}}""", "reasoning.summary", "unknown_parameter")]
    [InlineData("""{"input":"x","previous_response_id":"resp_1"}""", "previous_response_id", "previous_response_not_found")]
    [InlineData("""{"input":[{"role":"user","content":[{"type":"input_image","image_url":"x"}]}]}""", "input[0].content[0].type", "unsupported_parameter")]
    [InlineData("""{"input":[{"type":"item_reference","id":"x"}]}""", "input[0].type", "unsupported_parameter")]
    [InlineData("""{"input":[{"type":"function_call_output","output":"x"}]}""", "input[0].call_id", "missing_required_parameter")]
    [InlineData("""{"input":[{"role":"user","content":"x","colour":1}]}""", "input[0].colour", "unknown_parameter")]
    [InlineData("""{"input":"x","metadata":{"a":1}}""", "metadata", "invalid_value")]
    public async Task MistakesAreNamed(string json, string param, string code)
    {
        await using RunningServer server = await StartAsync();
        (int status, JsonElement body) = await server.PostAsync("/v1/responses", json);
        JsonElement error = body.GetProperty("error");
        Assert.Equal((400, param, code), (status, error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
    }

    private static Task<RunningServer> StartAsync(ChatOptions? chat = null, long? memory = null, TimeSpan? timeout = null, Gate? gate = null)
    {
        ServerOptions options = new() { Chat = chat };
        return RunningServer.StartAsync(
            options with { ResponseMemory = memory ?? options.ResponseMemory, RequestTimeout = timeout ?? options.RequestTimeout },
            new EngineOptions { Threads = 1, Sequences = 2, Context = 2048, CheckIntegrity = true }, gate: gate);
    }

    private static ResponsesClient Client(RunningServer server) =>
        new(new ApiKeyCredential("none"), new ResponsesClientOptions { Endpoint = new Uri(server.Address, "/v1") });

    private static CreateResponseOptions Ask(string? text, int maxTokens = 24)
    {
        CreateResponseOptions options = new()
        {
            Model = RunningServer.Model,
            Instructions = "Be brief.",
            Temperature = 0,
            MaxOutputTokenCount = maxTokens,
        };
        options.Metadata["k"] = "v";
        if (text is not null)
            options.InputItems.Add(ResponseItem.CreateUserMessageItem(text));
        return options;
    }

    /// <summary>Makes the model think, as the grammar of calls allows, and go on thinking.</summary>
    internal static string Bias(RunningServer server) =>
        $$"""{"{{(server.Engine.Tokenizer!.TryGetId("<", out int id) || server.Engine.Tokenizer.TryGetId("<0x3C>", out id) ? id : -1)}}":100 }""";
}
