using System.ComponentModel.DataAnnotations;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Sluice.Tokenizers.Templates;
using ChatOptions = Microsoft.Extensions.AI.ChatOptions;

namespace Sluice.Extensions.AI.Tests;

/// <summary>Tools: the model calls them only where it must, which its grammar sees to.</summary>
public class ToolTests(Starter starter) : IClassFixture<Starter>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task FunctionsAreInvokedAndAnswered()
    {
        List<int> asked = [];
        using IChatClient client = starter.Client.AsBuilder().UseFunctionInvocation().Build();
        ChatResponse answer = await client.GetResponseAsync("How warm is it?", Options(Warmth(asked), ChatToolMode.RequireAny), Cancellation);

        FunctionCallContent call = Assert.Single(answer.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>());
        FunctionResultContent result = Assert.Single(answer.Messages.SelectMany(message => message.Contents).OfType<FunctionResultContent>());
        Assert.Equal("warmth", call.Name);
        Assert.Equal(call.CallId, result.CallId);
        Assert.InRange(Assert.Single(asked), 1, 5);
        Assert.Equal(asked[0], ((JsonElement)call.Arguments!["days"]!).GetInt32());
        // Then the model goes on, having read what came of it.
        Assert.Equal(ChatRole.Assistant, answer.Messages[^1].Role);
        Assert.NotEmpty(answer.Text);
    }

    [Fact]
    public async Task CallsInAStreamAreThoseOfTheWhole()
    {
        ChatOptions options = Options(Warmth([]), ChatToolMode.RequireSpecific("warmth"), Warmth([], "other"));
        ChatResponse whole = await starter.Client.GetResponseAsync("How warm is it?", options, Cancellation);
        ChatResponse streamed = await starter.Client.GetStreamingResponseAsync("How warm is it?", options, Cancellation).ToChatResponseAsync(Cancellation);
        foreach (ChatResponse answer in (ChatResponse[])[whole, streamed])
        {
            FunctionCallContent call = Assert.IsType<FunctionCallContent>(Assert.Single(Assert.Single(answer.Messages).Contents));
            Assert.Equal("warmth", call.Name);
            Assert.Equal(ChatFinishReason.ToolCalls, answer.FinishReason);
            Assert.False(call.InformationalOnly);
        }
    }

    [Fact]
    public async Task ACallThatIsCutOffIsNotMade()
    {
        List<int> asked = [];
        ChatOptions options = Options(Warmth(asked), ChatToolMode.RequireAny);
        using IChatClient client = starter.Client.AsBuilder().UseFunctionInvocation().Build();
        int length = (int)(await starter.Client.GetResponseAsync("How warm is it?", options, Cancellation)).Usage!.OutputTokenCount!;
        for (int most = 1; most < length - 1; most++)
        {
            options.MaxOutputTokens = most;
            ChatResponse answer = await starter.Client.GetResponseAsync("How warm is it?", options, Cancellation);
            Assert.Equal(ChatFinishReason.Length, answer.FinishReason);
            FunctionCallContent? call = answer.Messages.SelectMany(message => message.Contents).OfType<FunctionCallContent>().FirstOrDefault();
            if (call is null)
                continue;
            Assert.Equal(call.Exception is not null, call.InformationalOnly);
            if (call.InformationalOnly)
                await client.GetResponseAsync("How warm is it?", options, Cancellation);
        }
        Assert.DoesNotContain(asked, days => days is < 1 or > 5);
    }

    [Fact]
    public async Task ToolsAreNotCalledWhereTheyMayNotBe()
    {
        List<int> asked = [];
        using IChatClient client = starter.Client.AsBuilder().UseFunctionInvocation().Build();
        int without = (int)(await client.GetResponseAsync("How warm is it?", Starter.Greedy(1), Cancellation)).Usage!.InputTokenCount!;
        ChatResponse none = await client.GetResponseAsync("How warm is it?", Options(Warmth(asked), ChatToolMode.None), Cancellation);
        ChatResponse auto = await client.GetResponseAsync("How warm is it?", Options(Warmth(asked), ChatToolMode.Auto), Cancellation);
        Assert.Empty(asked);
        Assert.Equal(without, none.Usage!.InputTokenCount); // it is not told
        Assert.True(auto.Usage!.InputTokenCount > without);
        await Assert.ThrowsAsync<ArgumentException>(() =>
            client.GetResponseAsync("How warm is it?", Options(Warmth(asked), ChatToolMode.RequireSpecific("cold")), Cancellation));
    }

    [Fact]
    public void ThoughtsCallsAndResultsGoBackToTheModel()
    {
        IReadOnlyList<Tokenizers.Templates.ChatMessage> messages = ChatMessages.Of(
            [
                new(ChatRole.System, "Be brief."),
                new(ChatRole.Assistant,
                [
                    new TextReasoningContent("Let me "), new TextReasoningContent("see."), new TextContent("So:"),
                    new FunctionCallContent("1", "warmth", new Dictionary<string, object?> { ["days"] = 2, ["city"] = "Köln" }), new FunctionCallContent("2", "rain"),
                ]),
                new(ChatRole.Tool, [new FunctionResultContent("1", "mild"), new FunctionResultContent("2", new[] { 1, 2 })]),
                new(ChatRole.Tool, [new FunctionResultContent("3", new TextContent("dry"))]),
            ],
            "Speak of dogs.");

        Assert.Equal(["system", "assistant", "tool", "tool", "tool"], messages.Select(message => message.Role));
        Assert.Equal("Speak of dogs.\n\nBe brief.", messages[0].Content);
        Assert.Equal(("Let me see.", "So:"), (messages[1].ReasoningContent, messages[1].Content));
        Assert.Equal([new ChatToolCall("1", "warmth", """{"days":2,"city":"Köln"}"""), new ChatToolCall("2", "rain", "{}")], messages[1].ToolCalls);
        Assert.Equal([("1", "mild"), ("2", "[1,2]"), ("3", "dry")], messages.Skip(2).Select(message => (message.ToolCallId, message.Content)));
    }

    private static AIFunction Warmth(List<int> asked, string name = "warmth") => AIFunctionFactory.Create(
        ([Range(1, 5)] int days) =>
        {
            asked.Add(days);
            return $"It is mild for {days} days.";
        },
        name, "How warm it will be");

    private static ChatOptions Options(AIFunction tool, ChatToolMode mode, params AIFunction[] more)
    {
        ChatOptions options = Starter.Greedy(60);
        (options.Tools, options.ToolMode, options.AllowMultipleToolCalls) = ([tool, .. more], mode, false);
        return options;
    }
}
