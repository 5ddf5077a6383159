using System.ClientModel;
using System.Text;
using System.Text.Json;
using OpenAI.Chat;

namespace Sluice.Server.Tests;

/// <summary>The official client against the server.</summary>
public class ChatTests
{
    private static readonly ChatMessage[] Story = [new UserChatMessage("Once upon a time")];

    [Fact]
    public async Task StreamsWhatItAnswersInOnePiece()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        ChatClient client = server.Chat();
        ChatCompletionOptions options = new() { Temperature = 0, MaxOutputTokenCount = 24 };
        ChatCompletion whole = await client.CompleteChatAsync(Story, options);
        Assert.Equal(ChatFinishReason.Length, whole.FinishReason);
        Assert.Equal(24, whole.Usage.OutputTokenCount);
        Assert.Equal(ChatMessageRole.Assistant, whole.Role);

        StringBuilder text = new();
        int updates = 0;
        ChatTokenUsage? usage = null;
        ChatFinishReason? finish = null;
        await foreach (StreamingChatCompletionUpdate update in client.CompleteChatStreamingAsync(Story, options))
        {
            updates++;
            usage = update.Usage ?? usage;
            finish = update.FinishReason ?? finish;
            foreach (ChatMessageContentPart part in update.ContentUpdate)
                text.Append(part.Text);
        }
        Assert.Equal(whole.Content[0].Text, text.ToString());
        Assert.True(text.Length > 10 && updates > 10);
        Assert.Equal(whole.Usage.InputTokenCount, usage!.InputTokenCount);
        Assert.Equal(24, usage.OutputTokenCount);
        Assert.Equal(ChatFinishReason.Length, finish);
    }

    [Fact]
    public async Task StopsSeedsAndBiasesAreObeyed()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        ChatClient client = server.Chat();
        string greedy = await TextAsync(client, new() { Temperature = 0, MaxOutputTokenCount = 24 });
        string stop = greedy[8..12];
        ChatCompletionOptions stopped = new() { Temperature = 0, MaxOutputTokenCount = 24 };
        stopped.StopSequences.Add(stop);
        ChatCompletion answer = await client.CompleteChatAsync(Story, stopped);
        Assert.Equal(greedy[..greedy.IndexOf(stop, StringComparison.Ordinal)], answer.Content[0].Text);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);

        Assert.Equal(await TextAsync(client, Seeded(7)), await TextAsync(client, Seeded(7)));
        Assert.NotEqual(await TextAsync(client, Seeded(7)), await TextAsync(client, Seeded(8)));

        int first = server.Engine.Tokenizer!.Encode(" dragon", addSpecial: false)[0];
        ChatCompletionOptions biased = new() { Temperature = 0, MaxOutputTokenCount = 1 };
        biased.LogitBiases[first] = 100;
        Assert.Equal(server.Engine.Tokenizer.PieceText(first), await TextAsync(client, biased));

        static ChatCompletionOptions Seeded(long seed) => new() { Temperature = 1, MaxOutputTokenCount = 24, Seed = seed };
    }

    [Fact]
    public async Task LogProbabilitiesAreOfTheChosenTokens()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        ChatCompletion answer = await server.Chat().CompleteChatAsync(Story, new ChatCompletionOptions
        {
            Temperature = 0,
            MaxOutputTokenCount = 6,
            IncludeLogProbabilities = true,
            TopLogProbabilityCount = 3,
        });
        Assert.Equal(6, answer.ContentTokenLogProbabilities.Count);
        Assert.Equal(answer.Content[0].Text, string.Concat(answer.ContentTokenLogProbabilities.Select(token => token.Token)));
        Assert.All(answer.ContentTokenLogProbabilities, token =>
        {
            Assert.Equal(3, token.TopLogProbabilities.Count);
            Assert.Equal(token.Token, token.TopLogProbabilities[0].Token); // greedy
            Assert.Equal(token.LogProbability, token.TopLogProbabilities[0].LogProbability);
            Assert.InRange(token.LogProbability, -20, 0);
        });
    }

    [Fact]
    public async Task SeveralChoicesDiffer()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        (int status, JsonElement body) = await server.PostAsync("/v1/chat/completions",
            """{"messages":[{"role":"user","content":[{"type":"text","text":"Once"}]}],"n":3,"seed":1,"max_tokens":40}""");
        Assert.Equal(200, status);
        string[] texts = [.. body.GetProperty("choices").EnumerateArray().Select(c => c.GetProperty("message").GetProperty("content").GetString()!)];
        Assert.Equal(3, texts.Distinct().Count());
    }

    [Theory]
    [InlineData("""{"messages":[{"role":"user","content":"x"}],"wibble":1}""", 400, "wibble", "unknown_parameter")]
    [InlineData("""{"messages":[{"role":"user","content":"x","colour":1}]}""", 400, "messages[0].colour", "unknown_parameter")]
    [InlineData("""{"messages":[{"role":"user","content":"x"}],"temperature":"hot"}""", 400, "temperature", "invalid_value")]
    [InlineData("""{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function"}]}""", 400, "tools[0].function", "missing_required_parameter")]
    [InlineData("""{"messages":[{"role":"user","content":"\ud800"}]}""", 400, "messages[0].content", "invalid_value")]
    [InlineData("""{"messages":[]}""", 400, "messages", "invalid_value")]
    [InlineData("""{"stream":true}""", 400, "messages", "missing_required_parameter")]
    [InlineData("""{"model":"gpt-4o","messages":[{"role":"user","content":"x"}]}""", 404, "model", "model_not_found")]
    [InlineData("""{"messages":[{"role":"user","content":"x"}""", 400, null, "invalid_value")]
    [InlineData("[]", 400, null, "invalid_value")]
    public async Task WrongRequestsAreToldWhatIsWrong(string json, int status, string? param, string code)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        (int actual, JsonElement body) = await server.PostAsync("/v1/chat/completions", json);
        JsonElement error = body.GetProperty("error");
        Assert.Equal((status, param, code), (actual, error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
        Assert.NotEqual("", error.GetProperty("message").GetString());
    }

    /// <summary>What OpenAI's API has and Sluice has not is refused by its name, not ignored.</summary>
    [Theory]
    [InlineData("functions", "[]")]
    [InlineData("function_call", "\"auto\"")]
    [InlineData("modalities", "[\"text\"]")]
    [InlineData("audio", "{}")]
    [InlineData("prediction", "{}")]
    [InlineData("store", "true")]
    [InlineData("metadata", "{}")]
    [InlineData("service_tier", "\"auto\"")]
    [InlineData("reasoning_effort", "\"low\"")]
    [InlineData("web_search_options", "{}")]
    [InlineData("best_of", "2")]
    [InlineData("echo", "true")]
    public async Task FieldsOfOthersAreRefusedByName(string name, string value)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        (int status, JsonElement body) = await server.PostAsync(
            "/v1/chat/completions", $$"""{"messages":[{"role":"user","content":"x"}],"{{name}}":{{value}}}""");
        Assert.Equal((400, name), (status, body.GetProperty("error").GetProperty("param").GetString()));
        Assert.Contains(name, body.GetProperty("error").GetProperty("message").GetString());
    }

    [Fact]
    public async Task TooLongPromptsAreRefused()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        ClientResultException error = await Assert.ThrowsAsync<ClientResultException>(
            () => server.Chat().CompleteChatAsync([new UserChatMessage(string.Concat(Enumerable.Repeat("word ", 10_000)))]));
        Assert.Equal(400, error.Status);
        Assert.Contains("context_length_exceeded", error.Message);
    }

    private static async Task<string> TextAsync(ChatClient client, ChatCompletionOptions options) =>
        ((ChatCompletion)await client.CompleteChatAsync(Story, options)).Content[0].Text;
}
