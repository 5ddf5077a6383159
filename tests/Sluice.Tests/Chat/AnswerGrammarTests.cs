using System.Text.Json;
using Sluice.Chat;
using Sluice.Chat.Parsing;
using Sluice.Chat.Styles;
using Sluice.Grammars;
using Sluice.Tokenizers;
using Sluice.Tokenizers.Templates;

namespace Sluice.Tests.Chat;

/// <summary>The grammars of answers: they take what models of a style were taught, token by token, and nothing that its parser would not take for a call.</summary>
public class AnswerGrammarTests
{
    private const string DeepSeekCall = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{\"city\": \"Bonn\", \"days\": 2}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>";

    private static readonly ChatTool[] Tools =
    [
        new("get_weather")
        {
            IsStrict = true,
            Parameters = JsonElement.Parse("""
                {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 5}}, "required": ["city"], "additionalProperties": false}
                """),
        },
        new("get_time"),
    ];

    public static TheoryData<string, string, string> Calls { get; } = new()
    {
        { "hermes", "", "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Bonn\", \"days\": 2}}\n</tool_call>\n<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>" },
        { "llama3", "", "{\"name\": \"get_weather\", \"parameters\": {\"city\": \"Bonn\", \"days\": 2}}" },
        { "mistral", "", "[TOOL_CALLS][{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Bonn\", \"days\": 2}}, {\"name\": \"get_time\", \"arguments\": {}}]" },
        { "mistral", "[ARGS]", "[TOOL_CALLS]get_weather[ARGS]{\"city\": \"Bonn\", \"days\": 2}[TOOL_CALLS]get_time[ARGS]{}" },
        { "mistral", "[CALL_ID][ARGS]", "[TOOL_CALLS]get_weather[CALL_ID]abcdef123[ARGS]{\"city\": \"Bonn\", \"days\": 2}" },
        { "deepseek", "```json", DeepSeekCall },
        { "deepseek", "", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{\"city\": \"Bonn\", \"days\": 2}<｜tool▁call▁end｜><｜tool▁calls▁end｜>" },
        { "harmony", "", "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{\"city\": \"Bonn\", \"days\": 2}" },
        { "harmony", "", "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.get_time <|constrain|>json<|message|>{}" },
        { "qwen-coder", "", "<tool_call>\n<function=get_weather>\n<parameter=city>\nBonn\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=get_time>\n</function>\n</tool_call>" },
        { "glm", "", "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Bonn</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>" },
    };

    [Theory]
    [MemberData(nameof(Calls))]
    public void TakesWhatTheModelWasTaught(string style, string template, string text)
    {
        ToolStyle tools = ToolStyle.Get(style);
        foreach (Tokenizer tokenizer in Tokenizers(tools))
        {
            GrammarMatcher must = Grammar(tools, tokenizer, template, ToolMode.Required), may = Grammar(tools, tokenizer, template, ToolMode.Auto);
            foreach (int token in tokenizer.Encode(text, addSpecial: false, parseSpecial: true))
            {
                must.Accept(token);
                may.Accept(token);
            }
            Assert.True(must.CanEnd && may.CanEnd);
        }
        Assert.DoesNotContain("<", AnswerText.Read(text, tools).Replace("(Hm.)", ""));
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public void TakesNothingElse(string style, string template, string text)
    {
        ToolStyle tools = ToolStyle.Get(style);
        Tokenizer tokenizer = Tokenizers(tools)[0];
        foreach (string wrong in (string[])[text.Replace("Bonn", "").Replace("days", "nights").Replace("get_time", "get_lost"), "Hello", text.Replace("2", "7").Replace("get_time", "rm_rf")])
            Assert.ThrowsAny<InvalidOperationException>(() => Follow(Grammar(tools, tokenizer, template, ToolMode.Required), tokenizer, wrong));
        // Where calls are up to the model, it may say what it likes.
        string said = tools.HasChannels ? "<|channel|>final<|message|>Hello <tool you {}." : "Hello <tool you {}.";
        Assert.True(Follow(Grammar(tools, tokenizer, template, ToolMode.Auto), tokenizer, said).CanEnd);
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public void WritesWhatItReads(string style, string template, string text)
    {
        ToolStyle tools = ToolStyle.Get(style);
        _ = text;
        ChatToolCall[] calls = [new("abcdef123", "get_weather", "{\"city\": \"Bonn\", \"days\": 2}"), new("abcdef123", "get_time", "{}")];
        string written = tools.Write(tools.HasChannels || style == "llama3" ? calls[..1] : calls, template);
        Assert.StartsWith("[0 ", AnswerText.Read(written, tools));
        Assert.Contains("get_weather {\"city\": \"Bonn\", \"days\": 2}]", AnswerText.Read(written, tools));
        Assert.Equal(!tools.HasChannels && style != "llama3", AnswerText.Read(written, tools).EndsWith("get_time {}]", StringComparison.Ordinal));
        if (!tools.HasChannels) // the mark that ends a call there ends the answer
        {
            Tokenizer tokenizer = Tokenizers(tools)[0];
            Assert.True(Follow(Grammar(tools, tokenizer, template, ToolMode.Required), tokenizer, written).CanEnd);
        }
    }

    [Theory]
    [InlineData(false, "<think>I <tool_call> </thin</think>\n\n{0}", true)]
    [InlineData(false, "{0}", true)]
    [InlineData(true, "I think.\n</think>\n{0}", true)]
    [InlineData(true, "{0}", false)]
    [InlineData(false, "Hm.</think>{0}", false)]
    public void ThoughtsComeFirst(bool isOpen, string format, bool isValid)
    {
        ToolStyle tools = ToolStyle.Get("hermes");
        Tokenizer tokenizer = Tokenizers(tools)[2]; // control tokens are part of no text, thoughts included
        AnswerGrammars grammars = new(tools, ReasoningStyle.Get("think"), tokenizer, "");
        GrammarMatcher matcher = grammars.Of(new ChatRequest { Messages = [], ToolMode = ToolMode.Required }, Tools, isOpen)!.Match(tokenizer);
        string text = string.Format(System.Globalization.CultureInfo.InvariantCulture, format, "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>");
        if (isValid)
            Assert.True(Follow(matcher, tokenizer, text).CanEnd);
        else if (isOpen)
            Assert.False(Follow(matcher, tokenizer, text).CanEnd); // all of it is thought
        else
            Assert.ThrowsAny<InvalidOperationException>(() => Follow(matcher, tokenizer, text));
    }

    [Fact]
    public void ContentKeepsToItsOwnGrammarBesideCalls()
    {
        ToolStyle tools = ToolStyle.Get("hermes");
        Tokenizer tokenizer = Tokenizers(tools)[0];
        AnswerGrammars grammars = new(tools, ReasoningStyle.Get("think"), tokenizer, "");
        Grammar yes = Sluice.Grammars.Grammar.FromChoice(["yes", "no"]);
        ChatRequest request = new() { Messages = [], Generation = new Request { Prompt = [], Grammar = yes } };
        foreach (string text in (string[])["yes", "<think>Hm.</think>no", "<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>"])
            Assert.True(Follow(grammars.Of(request, Tools, false)!.Match(tokenizer), tokenizer, text).CanEnd);
        Assert.ThrowsAny<InvalidOperationException>(() => Follow(grammars.Of(request, Tools, false)!.Match(tokenizer), tokenizer, "maybe"));
        Assert.Same(grammars.Of(request, Tools, false), grammars.Of(request, Tools, false));
        Assert.Same(yes, new AnswerGrammars(tools, null, tokenizer, "").Of(request, [], false));
    }

    [Theory]
    [InlineData("\"minLength\":\"x\"", "minLength")]
    [InlineData("\"maxLength\":1.5", "maxLength")]
    [InlineData("\"enum\":7", "enum")]
    [InlineData("\"pattern\":7", "pattern")]
    [InlineData("\"format\":\"wibble\"", "wibble")]
    [InlineData("\"wibble\":7", "wibble")]
    public void SchemasOfTextsThatAreWrongAreRefused(string keyword, string said)
    {
        ChatTool tool = new("f") { Parameters = JsonElement.Parse("{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"," + keyword + "}}}") };
        foreach (ToolStyle style in (ToolStyle[])[ToolStyle.Get("qwen-coder"), ToolStyle.Get("glm")])
        {
            AnswerGrammars grammars = new(style, null, Tokenizers(style)[0], "");
            ChatRequest request = new() { Messages = [], ToolMode = ToolMode.Required };
            Assert.Contains(said, Assert.Throws<GrammarException>(() => grammars.Of(request, [tool], false)).Message);
            // Beside a strict tool, the schemas of others need not be kept to.
            Assert.NotNull(grammars.Of(new ChatRequest { Messages = [] }, [tool, new("g") { IsStrict = true }], false));
        }
    }

    [Fact]
    public void SchemasThatAreNotOfObjectsAreRefused()
    {
        ToolStyle tools = ToolStyle.Get("hermes");
        AnswerGrammars grammars = new(tools, null, Tokenizers(tools)[0], "");
        ChatRequest request = new() { Messages = [], ToolMode = ToolMode.Required };
        Assert.Contains("'f'", Assert.Throws<GrammarException>(
            () => grammars.Of(request, [new("f") { Parameters = JsonElement.Parse("""{"type": "string"}""") }], false)).Message);
    }

    private static GrammarMatcher Grammar(ToolStyle style, Tokenizer tokenizer, string template, ToolMode mode) =>
        new AnswerGrammars(style, null, tokenizer, template).Of(new ChatRequest { Messages = [], ToolMode = mode }, Tools, false)!.Match(tokenizer);

    private static GrammarMatcher Follow(GrammarMatcher matcher, Tokenizer tokenizer, string text)
    {
        foreach (int token in tokenizer.Encode(text, addSpecial: false, parseSpecial: true))
        {
            ulong[] allowed = matcher.Allowed.ToArray();
            Assert.Equal(matcher.Allows(token), (allowed[token / 64] >> (token % 64) & 1) != 0);
            matcher.Accept(token);
        }
        return matcher;
    }

    /// <summary>Vocabularies in which the style's marks are control tokens, tokens of users, or plain text.</summary>
    private static Tokenizer[] Tokenizers(ToolStyle style) =>
    [
        GgufTokenizer.Create(Vocabularies.ByteLevel(["g e", "ge t", "\" :"], control: [.. style.Markers, "<|endoftext|>"])),
        GgufTokenizer.Create(Vocabularies.ByteLevel(["g e", "ge t", "\" :"], userDefined: [.. style.Markers, "<|endoftext|>"])),
        GgufTokenizer.Create(Vocabularies.ByteLevel(["g e", "ge t", "\" :", "< t", "[ T"], control: ["<|endoftext|>"])),
    ];
}
