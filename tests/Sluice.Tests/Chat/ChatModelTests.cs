using System.Text.Json;
using Sluice.Chat;
using Sluice.Chat.Styles;
using Sluice.Sampling;
using Sluice.TestData;
using Sluice.Tokenizers.Templates;

namespace Sluice.Tests.Chat;

using Engine = Sluice.Engine;

/// <summary>Conversations with the model that comes with the repository, which tells stories and calls a tool only because it must.</summary>
public class ChatModelTests
{
    private static readonly ChatTool[] Tools =
    [
        new("get_weather")
        {
            Description = "Weather",
            Parameters = JsonElement.Parse("""
                {"type": "object", "properties": {"city": {"type": "string", "maxLength": 8}, "days": {"type": "integer", "minimum": 1, "maximum": 5}},
                 "required": ["city", "days"], "additionalProperties": false}
                """),
        },
        new("get_time"),
    ];

    private static Engine Load() => Engine.Load(
        Path.Combine(SharedFiles.Root, "models", "sluice-starter.gguf"), new EngineOptions { Threads = 1, Sequences = 1, Context = 2048, CheckIntegrity = true });

    /// <summary>What models wrote as arguments, and clients send back, may be no JSON, or have halves of surrogate pairs.</summary>
    [Theory]
    [MemberData(nameof(Styles))]
    public void Arguments_that_are_no_JSON_go_into_prompts_all_the_same(string style)
    {
        using Engine engine = Load();
        ChatModel model = new(engine, new ChatOptions { ToolStyle = style });
        ChatTemplate template = ChatTemplate.Parse("{% for m in messages %}{{ m.tool_calls[0].function.arguments | tojson }}{% endfor %}");
        foreach (string arguments in (string[])["wibble", "{\"a\":\"\\ud800\"}", "{\"\\ud800\":1}", "[1]"])
        {
            ChatMessage call = new(ChatFormat.Assistant, null) { ToolCalls = [new("abcdef123", "f", arguments)] };
            Assert.NotEmpty(model.Render(new ChatRequest { Messages = [new(ChatFormat.User, "Hi"), call] }));
            Assert.Equal(arguments, JsonSerializer.Deserialize<string>(template.Apply([call])));
        }
    }

    [Fact]
    public void Names_that_there_are_not_are_refused()
    {
        using Engine engine = Load();
        Assert.Contains("chatml", Refused(new ChatOptions { Format = "wibble" }));
        Assert.Contains("hermes", Refused(new ChatOptions { ToolStyle = "wibble" }));
        Assert.Contains("think", Refused(new ChatOptions { ReasoningStyle = "wibble" }));

        string Refused(ChatOptions options) => Assert.Throws<ArgumentException>(() => new ChatModel(engine, options)).Message;
    }

    public static TheoryData<string> Styles => [.. ToolStyle.All.Select(style => style.Name)];

    [Theory]
    [MemberData(nameof(Styles))]
    public async Task Calls_that_must_be_are_valid_in_every_style(string style)
    {
        using Engine engine = Load();
        ChatModel model = new(engine, new ChatOptions { ToolStyle = style });
        HashSet<string> called = [];
        for (ulong seed = 1; seed <= 6; seed++)
        {
            ChatRequest request = Ask(seed) with { ToolMode = ToolMode.Required, ParallelToolCalls = seed % 2 == 0 };
            ChatAnswer answer = await AnswerAsync(model, request);
            // This model may make calls, or think, without end.
            bool isCut = answer.End!.Finish == ChatFinish.Length;
            Assert.True(isCut ? request.ParallelToolCalls || style == "harmony" : answer.End.Finish == ChatFinish.ToolCalls && answer.Message.Content is null);
            Assert.True(isCut || request.ParallelToolCalls || answer.Message.ToolCalls.Count == 1);
            foreach (ChatToolCall call in isCut ? answer.Message.ToolCalls.SkipLast(1) : answer.Message.ToolCalls)
            {
                called.Add(call.Name);
                Check(call);
            }
            ChatAnswer named = await AnswerAsync(model, request with { ToolName = "get_weather", ParallelToolCalls = false });
            Assert.All(named.Message.ToolCalls, call => Assert.Equal("get_weather", call.Name));
            if (named.End!.Finish == ChatFinish.ToolCalls)
                Check(Assert.Single(named.Message.ToolCalls));
            else
                Assert.Equal("harmony", style);
        }
        Assert.NotEmpty(called);
    }

    [Fact]
    public async Task Without_need_it_says_what_it_likes()
    {
        using Engine engine = Load();
        ChatModel model = new(engine);
        Assert.Equal(("hermes", null as ReasoningStyle), (model.Tools.Name, model.Reasoning));
        ChatAnswer plain = await AnswerAsync(model, Ask(1, 40) with { ToolMode = ToolMode.None });
        string text = "";
        await foreach (GeneratedToken token in engine.Generate("Tell me.", Ask(1, 40).Generation))
            text += token.Text;
        Assert.Equal(text, plain.Message.Content); // no word of tools in the prompt
        Assert.Equal(ChatFinish.Length, plain.End!.Finish);
        Assert.Equal(40, plain.End.GeneratedTokens);
        ChatAnswer offered = await AnswerAsync(model, Ask(1, 40));
        Assert.Empty(offered.Message.ToolCalls);
        Assert.NotEqual(text, offered.Message.Content);
    }

    [Fact]
    public void Models_that_know_no_tools_are_told_in_words()
    {
        using Engine engine = Load();
        ChatModel model = new(engine);
        string prompt = model.Render(new ChatRequest
        {
            Messages =
            [
                new("system", "Be brief."), new("user", "Weather?"),
                new("assistant", null) { ToolCalls = [new("1", "get_weather", "{\"city\":\"Bonn\"}"), new("2", "get_time", "{}")] },
                new("tool", "rain") { ToolCallId = "1" }, new("tool", "noon") { ToolCallId = "2" },
            ],
            Tools = Tools,
        });
        Assert.StartsWith("Be brief.", prompt);
        Assert.Contains("\"name\":\"get_weather\",\"description\":\"Weather\",\"parameters\":{\"type\"", prompt);
        Assert.Contains("<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\":\"Bonn\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"get_time\"", prompt);
        Assert.Contains("<tool_response>\nrain\n</tool_response>\n<tool_response>\nnoon\n</tool_response>", prompt);
    }

    [Fact]
    public async Task Mistakes_are_told()
    {
        using Engine engine = Load();
        ChatModel model = new(engine);
        await Assert.ThrowsAsync<ArgumentException>(() => AnswerAsync(model, Ask(1) with { ToolMode = ToolMode.Required, ToolName = "nothing" }));
        await Assert.ThrowsAsync<ArgumentException>(() => AnswerAsync(model, Ask(1) with { Tools = [new("a"), new("a")] }));
        Assert.Throws<ArgumentException>(() => new ChatModel(engine, new ChatOptions { ToolStyle = "nothing" }));
        Assert.Throws<ArgumentException>(() => new ChatModel(engine, new ChatOptions { ReasoningStyle = "nothing" }));
        Assert.Null(new ChatModel(engine, new ChatOptions { ReasoningStyle = ChatModel.NoReasoning }).Reasoning);
    }

    private static ChatRequest Ask(ulong seed, int maxTokens = 400) => new()
    {
        Messages = [new ChatMessage("user", "Tell me.")],
        Tools = Tools,
        Generation = new Request { Prompt = [], MaxTokens = maxTokens, Sampling = new SamplingOptions { Temperature = 1, TopK = 0, TopP = 1, MinP = 0, Seed = seed } },
    };

    private static async Task<ChatAnswer> AnswerAsync(ChatModel model, ChatRequest request)
    {
        ChatAnswer answer = new();
        await foreach (ChatDelta delta in model.AnswerAsync(request))
        {
            Assert.Null(answer.End);
            answer.Add(delta);
        }
        return answer;
    }

    private static void Check(ChatToolCall call)
    {
        JsonElement arguments = JsonElement.Parse(call.Arguments);
        if (call.Name == "get_time")
        {
            Assert.Empty(arguments.EnumerateObject());
            return;
        }
        Assert.Equal(2, arguments.EnumerateObject().Count());
        Assert.True(arguments.GetProperty("city").GetString()!.EnumerateRunes().Count() <= 8);
        Assert.InRange(arguments.GetProperty("days").GetInt32(), 1, 5);
    }
}
