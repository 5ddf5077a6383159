using System.Text.Json;
using Microsoft.Extensions.AI;
using Sluice.Chat;
using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
using ChatOptions = Microsoft.Extensions.AI.ChatOptions;

namespace Sluice.Extensions.AI.Tests;

/// <summary>What the model says, and what is asked of it.</summary>
public class ChatTests(Starter starter) : IClassFixture<Starter>
{
    private static readonly ChatMessage[] Story = [new(ChatRole.User, "Once upon a time there was a little girl")];

    private readonly SluiceChatClient _client = starter.Client;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private enum Color
    {
        Red,
        Green,
    }

    [Fact]
    public async Task AStreamIsTheWhole()
    {
        ChatResponse whole = await _client.GetResponseAsync(Story, Starter.Greedy(24), Cancellation);
        List<ChatResponseUpdate> updates = await _client.GetStreamingResponseAsync(Story, Starter.Greedy(24), Cancellation).ToListAsync(Cancellation);

        Assert.NotEmpty(whole.Text);
        Assert.Equal(whole.Text, string.Concat(updates.Select(update => update.Text)));
        Assert.True(updates.Count > 5);
        Assert.Single(updates.Select(update => (update.ResponseId, update.MessageId, update.Role, update.ModelId)).Distinct());
        Assert.Equal("sluice-starter", whole.ModelId);
        Assert.All(updates.SkipLast(1), update => Assert.Null(update.FinishReason));
        Assert.Equal(ChatFinishReason.Length, updates[^1].FinishReason);
        Assert.Equal(ChatFinishReason.Length, whole.FinishReason);
        Assert.Equal(ChatRole.Assistant, Assert.Single(whole.Messages).Role);
    }

    [Fact]
    public async Task UsageIsCounted()
    {
        ChatModel model = _client.GetService<ChatModel>()!;
        int prompt = model.Prepare(new ChatRequest { Messages = [new("user", Story[0].Text)] }, Cancellation).Request.Prompt.Count;
        UsageDetails usage = (await _client.GetResponseAsync(Story, Starter.Greedy(9), Cancellation)).Usage!;
        Assert.Equal((prompt, 9, prompt + 9), (usage.InputTokenCount, usage.OutputTokenCount, usage.TotalTokenCount));
        Assert.Equal(0, usage.ReasoningTokenCount);
        Assert.NotNull(usage.CachedInputTokenCount);
    }

    [Fact]
    public async Task AStopSequenceEndsTheAnswer()
    {
        string text = (await _client.GetResponseAsync(Story, Starter.Greedy(24), Cancellation)).Text;
        string stop = text.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3];
        ChatOptions options = Starter.Greedy(24);
        options.StopSequences = [stop];
        ChatResponse stopped = await _client.GetResponseAsync(Story, options, Cancellation);
        Assert.Equal(text[..text.IndexOf(stop, StringComparison.Ordinal)], stopped.Text);
        Assert.Equal(ChatFinishReason.Stop, stopped.FinishReason);
    }

    [Fact]
    public async Task SamplingIsAsAsked()
    {
        string greedy = (await _client.GetResponseAsync(Story, Starter.Greedy(24), Cancellation)).Text;
        Assert.Equal(greedy, await TextAsync(new() { Temperature = 5, TopK = 1 }));
        Assert.Equal(greedy, await TextAsync(new() { Temperature = 5, TopP = 0 }));
        Assert.NotEqual(greedy, await TextAsync(new() { Temperature = 0, PresencePenalty = 100 }));
        Assert.NotEqual(greedy, await TextAsync(new() { Temperature = 0, FrequencyPenalty = 100 }));
        ChatOptions seeded = new() { Temperature = 2, TopK = 0, TopP = 1, Seed = 7 };
        Assert.Equal(await TextAsync(seeded), await TextAsync(seeded));
        Assert.NotEqual(await TextAsync(seeded), await TextAsync(new() { Temperature = 2, TopK = 0, TopP = 1, Seed = 8 }));

        async Task<string> TextAsync(ChatOptions options)
        {
            options.MaxOutputTokens = 24;
            return (await _client.GetResponseAsync(Story, options, Cancellation)).Text;
        }
    }

    [Fact]
    public async Task OptionsOfTheClientAreDefaults()
    {
        SluiceChatClient greedy = new(starter.Engine, new SluiceOptions { Sampling = Sampling.SamplingOptions.Greedy, ModelId = "stories" });
        ChatResponse answer = await greedy.GetResponseAsync(Story, new ChatOptions { MaxOutputTokens = 24 }, Cancellation);
        Assert.Equal((await _client.GetResponseAsync(Story, Starter.Greedy(24), Cancellation)).Text, answer.Text);
        Assert.Equal("stories", answer.ModelId);
        Assert.Equal("stories", greedy.GetService<ChatClientMetadata>()!.DefaultModelId);
    }

    [Fact]
    public async Task InstructionsComeFirst()
    {
        ChatOptions options = Starter.Greedy(1);
        int without = await TokensAsync(Story);
        options.Instructions = "Speak of dogs.";
        int with = await TokensAsync(Story);
        int written = await TokensAsync([new(ChatRole.System, "Be brief."), .. Story]);
        Assert.True(without < with && with < written);

        async Task<int> TokensAsync(IEnumerable<ChatMessage> messages) =>
            (int)(await _client.GetResponseAsync(messages, options, Cancellation)).Usage!.InputTokenCount!;
    }

    [Fact]
    public async Task AnAnswerHasTheFormOfAType()
    {
        ChatResponse<Ball> answer = await _client.GetResponseAsync<Ball>("Describe a ball.", Starter.Greedy(200), cancellationToken: Cancellation);
        Assert.Equal(ChatFinishReason.Stop, answer.FinishReason);
        Assert.True(answer.TryGetResult(out Ball? ball), answer.Text);
        Assert.InRange(ball.Size, 1, 9);
        Assert.True(Enum.IsDefined(ball.Color));
    }

    [Fact]
    public async Task AnAnswerHasTheFormOfASchemaOrIsAnyJson()
    {
        ChatOptions options = Starter.Greedy(60);
        options.ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse("""{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":2}"""));
        JsonElement pair = JsonElement.Parse((await _client.GetResponseAsync(Story, options, Cancellation)).Text);
        Assert.All(pair.EnumerateArray(), item => Assert.True(item.ValueKind is JsonValueKind.True or JsonValueKind.False));
        Assert.Equal(2, pair.GetArrayLength());

        options.ResponseFormat = ChatResponseFormat.Json;
        Assert.StartsWith("{", (await _client.GetResponseAsync(Story, options, Cancellation)).Text.TrimStart(), StringComparison.Ordinal);

        options.ResponseFormat = null;
        options.RawRepresentationFactory = _ => new Request { Prompt = [], Grammar = Grammars.Grammar.FromRegex("(yes|no)!") };
        Assert.Matches("^(yes|no)!$", (await _client.GetResponseAsync(Story, options, Cancellation)).Text);
    }

    [Fact]
    public async Task CancellationFreesTheCache()
    {
        using CancellationTokenSource source = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        long before = starter.Engine.Statistics.Cancelled;
        int updates = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in _client.GetStreamingResponseAsync(Story, Endless(), source.Token))
            {
                if (++updates == 3)
                {
                    Assert.True(starter.Engine.Statistics.CacheUse > 0);
                    await source.CancelAsync();
                }
            }
        });
        await starter.IdleAsync();
        Assert.Equal(before + 1, starter.Engine.Statistics.Cancelled);
    }

    [Fact]
    public async Task LeavingAStreamFreesTheCache()
    {
        long before = starter.Engine.Statistics.Cancelled;
        await foreach (ChatResponseUpdate _ in _client.GetStreamingResponseAsync(Story, Endless(), Cancellation))
            break;
        await starter.IdleAsync();
        Assert.Equal(before + 1, starter.Engine.Statistics.Cancelled);
    }

    [Fact]
    public async Task WhatIsNotSupportedIsRefusedByName()
    {
        await RefusesAsync<NotSupportedException>("image/png", new DataContent(new byte[] { 1 }, "image/png"));
        await RefusesAsync<NotSupportedException>("image/jpeg", new UriContent("http://localhost/a.jpg", "image/jpeg"));
        await RefusesAsync<NotSupportedException>(nameof(ErrorContent), new ErrorContent("no"));
        await RefusesAsync<NotSupportedException>("image/gif", new FunctionResultContent("1", new DataContent(new byte[] { 1 }, "image/gif")));
        await ThrowsAsync<ArgumentException>("gpt-9", new() { ModelId = "gpt-9" });
        await ThrowsAsync<ArgumentException>("TopP", new() { TopP = 2 });
        await ThrowsAsync<NotSupportedException>("ConversationId", new() { ConversationId = "1" });
        await ThrowsAsync<NotSupportedException>("min_pi", new() { AdditionalProperties = new() { ["min_pi"] = 1 } });
        await ThrowsAsync<NotSupportedException>("High", new() { Reasoning = new() { Effort = ReasoningEffort.High } });
        await ThrowsAsync<NotSupportedException>("HostedWebSearchTool", new() { Tools = [new HostedWebSearchTool()] });
        await ThrowsAsync<NotSupportedException>("System.String", new() { RawRepresentationFactory = _ => "x" });
        await ThrowsAsync<Grammars.GrammarException>("not", new() { ResponseFormat = ChatResponseFormat.ForJsonSchema(JsonElement.Parse("""{"not":{}}""")) });
        await ThrowsAsync<ArgumentException>("tool", new() { ToolMode = ChatToolMode.RequireAny });
        await starter.IdleAsync();

        Task RefusesAsync<T>(string named, AIContent content)
            where T : Exception => CheckAsync<T>(named, [new(ChatRole.User, [new TextContent("Look:"), content])], Starter.Greedy(1));

        Task ThrowsAsync<T>(string named, ChatOptions options)
            where T : Exception => CheckAsync<T>(named, Story, options);

        async Task CheckAsync<T>(string named, IEnumerable<ChatMessage> messages, ChatOptions options)
            where T : Exception =>
            Assert.Contains(named, (await Assert.ThrowsAnyAsync<T>(() => _client.GetResponseAsync(messages, options, Cancellation))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ServicesAreFound()
    {
        Assert.Same(_client, _client.GetService<IChatClient>());
        Assert.Same(starter.Engine, _client.GetService<Engine>());
        Assert.Equal("sluice", _client.GetService<ChatClientMetadata>()!.ProviderName);
        Assert.Null(_client.GetService<Engine>("key"));
        Assert.Null(_client.GetService<string>());
    }

    private static ChatOptions Endless() => new() { RawRepresentationFactory = _ => new Request { Prompt = [], IgnoreEnd = true } };

    private sealed record Ball([property: System.ComponentModel.DataAnnotations.Range(1, 9)] int Size, Color Color);
}
