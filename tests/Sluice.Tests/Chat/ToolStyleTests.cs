using Sluice.Chat.Styles;

namespace Sluice.Tests.Chat;

/// <summary>Each style's parser, with its texts cut in every way.</summary>
public class ToolStyleTests
{
    private const string Weather = """{"city": "Łódź", "days": 2}""";
    private const string Call = """{"name": "get_weather", "arguments": {"city": "Łódź", "days": 2}}""";
    private const string BeginAll = "<｜tool▁calls▁begin｜>", EndAll = "<｜tool▁calls▁end｜>", Begin = "<｜tool▁call▁begin｜>", End = "<｜tool▁call▁end｜>", Sep = "<｜tool▁sep｜>";

    [Theory]
    [InlineData($"<tool_call>\n{Call}\n</tool_call>", $"[0 id get_weather {Weather}]")]
    [InlineData($"I look. \n\n<tool_call>{Call}</tool_call>\n", $"I look.[0 id get_weather {Weather}]")]
    [InlineData($"<tool_call>\n{Call}", $"[0 id get_weather {Weather}]")]
    [InlineData(
        $"<tool_call>\n{Call}\n</tool_call>\n<tool_call>\n{{\"name\": \"get_time\", \"arguments\": {{}}}}\n</tool_call>",
        $$"""[0 id get_weather {{Weather}}][1 id get_time {}]""")]
    [InlineData("""<tool_call>{"arguments": {"a": [1, -2.5e3, {"b": null}]}, "name": "get_time"}</tool_call>""", """[0 id get_time {"a": [1, -2.5e3, {"b": null}]}]""")]
    [InlineData("""<tool_call>{"name": "get_time", "arguments": "{\"a\": \"\\\"\"}"}</tool_call>""", """[0 id get_time {"a": "\""}]""")]
    [InlineData("""<tool_call>{"name": "get_time"}</tool_call>""", "[0 id get_time {}]")]
    [InlineData("""<tool_call>{"name": "get_time", "arguments": {"s": "</tool_call> \u00e9 \\"}}</tool_call>""", """[0 id get_time {"s": "</tool_call> \u00e9 \\"}]""")]
    // No calls: nothing of them may be lost.
    [InlineData("  Hello <tool_cal, <<tool_call ", "  Hello <tool_cal, <<tool_call ")]
    [InlineData("Write <tool_call> and so on.", "Write <tool_call> and so on.")]
    [InlineData("""<tool_call>{"name": "rm_rf", "arguments": {}}</tool_call>""", """<tool_call>{"name": "rm_rf", "arguments": {}}</tool_call>""")]
    [InlineData("""<tool_call>{"name": 5, "arguments": {}}</tool_call>""", """<tool_call>{"name": 5, "arguments": {}}</tool_call>""")]
    [InlineData("""<tool_call>{"name": "get_time", "arguments": [1]}</tool_call>""", """<tool_call>{"name": "get_time", "arguments": [1]}</tool_call>""")]
    [InlineData("""<tool_call>{name: "get_time"}</tool_call> Sorry.""", """<tool_call>{name: "get_time"}</tool_call> Sorry.""")]
    [InlineData($"<tool_call><tool_call>{Call}</tool_call>", $"<tool_call>[0 id get_weather {Weather}]")]
    [InlineData("<tool_call>", "<tool_call>")]
    [InlineData("""<tool_call>{"name": "get_w""", """<tool_call>{"name": "get_w""")]
    // An answer that was cut: what there is of the call.
    [InlineData("""<tool_call>{"name": "get_weather", "arguments": {"city": "Łó""", """[0 id get_weather {"city": "Łó]""")]
    public void Hermes(string text, string expected) => Check("hermes", text, expected);

    [Theory]
    [InlineData("""{"name": "get_weather", "parameters": {"city": "Łódź", "days": 2}}""", $"[0 id get_weather {Weather}]")]
    [InlineData("""<|python_tag|>{"name": "get_weather", "parameters": {"city": "Łódź", "days": 2}}""", $"[0 id get_weather {Weather}]")]
    [InlineData("""{"type": "function", "name": "get_time", "parameters": {}}""", "[0 id get_time {}]")]
    [InlineData("""{"name": "get_time", "parameters": {}}; {"name": "get_time", "parameters": {"a": 1}}""", """[0 id get_time {}][1 id get_time {"a": 1}]""")]
    [InlineData("""{"name": "get_time", "parameters": {}} Done.""", "[0 id get_time {}]Done.")]
    [InlineData("""I look. <|python_tag|>{"name": "get_time", "parameters": {}}""", "I look.[0 id get_time {}]")]
    [InlineData("""{"name": "Bob", "age": 3}""", """{"name": "Bob", "age": 3}""")]
    [InlineData("""{"answer": 42}""", """{"answer": 42}""")]
    [InlineData("<|python_tag|>print(1)", "<|python_tag|>print(1)")]
    [InlineData(" {} is empty", " {} is empty")]
    [InlineData("Hello {", "Hello {")]
    public void Llama3(string text, string expected) => Check("llama3", text, expected);

    [Theory]
    [InlineData($"[TOOL_CALLS] [{Call}]", $"[0 id get_weather {Weather}]")]
    [InlineData(
        """[TOOL_CALLS][{"name": "get_time", "arguments": {}, "id": "abcdef123"}, {"name": "get_time", "arguments": {"a": 1}}]""",
        """[0 id get_time {}][1 id get_time {"a": 1}]""")]
    [InlineData($"I look.[TOOL_CALLS]get_weather[ARGS]{Weather}[TOOL_CALLS]get_time[ARGS]{{}}", $$"""I look.[0 id get_weather {{Weather}}][1 id get_time {}]""")]
    [InlineData($"[TOOL_CALLS]get_weather[CALL_ID]abcdef123[ARGS]{Weather}", $"[0 abcdef123 get_weather {Weather}]")]
    [InlineData($"[TOOL_CALLS]get_weather{Weather}", $"[0 id get_weather {Weather}]")]
    [InlineData("[TOOL_CALLS]rm_rf[ARGS]{}", "[TOOL_CALLS]rm_rf[ARGS]{}")]
    [InlineData("[TOOL_CALLS] and more", "[TOOL_CALLS] and more")]
    [InlineData("""[TOOL_CALLS][{"name": "get_time", "arguments": {}}, oops]""", "[0 id get_time {}], oops]")]
    [InlineData("A list: [1, [TOOL]", "A list: [1, [TOOL]")]
    public void Mistral(string text, string expected) => Check("mistral", text, expected);

    [Theory]
    [InlineData($"{BeginAll}{Begin}function{Sep}get_weather\n```json\n{Weather}\n```{End}{EndAll}", $"[0 id get_weather {Weather}]")]
    [InlineData(
        $"I look.{BeginAll}{Begin}function{Sep}get_weather\n```json\n{Weather}\n```{End}\n{Begin}function{Sep}get_time\n```json\n{{}}\n```{End}{EndAll}",
        $$"""I look.[0 id get_weather {{Weather}}][1 id get_time {}]""")]
    [InlineData($"{BeginAll}{Begin}get_weather{Sep}{Weather}{End}{Begin}get_time{Sep}{{}}{End}{EndAll}", $$"""[0 id get_weather {{Weather}}][1 id get_time {}]""")]
    [InlineData($"{BeginAll}{Begin}get_time{Sep}{{}}", "[0 id get_time {}]")]
    [InlineData($"{BeginAll}{Begin}rm_rf{Sep}{{}}{End}{EndAll}", $"{BeginAll}{Begin}rm_rf{Sep}{{}}{End}{EndAll}")]
    [InlineData($"{BeginAll} and more", $"{BeginAll} and more")]
    [InlineData("a <｜tool▁calls", "a <｜tool▁calls")]
    public void DeepSeek(string text, string expected) => Check("deepseek", text, expected);

    [Theory]
    [InlineData("<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hi!", "(Hm.)Hi!")]
    [InlineData(
        $"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{Weather}",
        $"(Hm.)[0 id get_weather {Weather}]")]
    [InlineData($" to=functions.get_weather<|channel|>commentary json<|message|>{Weather}<|call|>", $"[0 id get_weather {Weather}]")]
    [InlineData(
        "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>commentary to=functions.get_time<|message|>{}",
        "I look.[0 id get_time {}]")]
    [InlineData("<|channel|>commentary<|message|>One.<|end|><|start|>assistant<|channel|>final<|message|>Two.<|return|>", "One.\n\nTwo.")]
    [InlineData("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>analysis<|message|>b <|x|><|end|><|start|>assist", "(a\n\nb <|x|>)")]
    [InlineData("<|channel|>commentary to=functions.rm_rf<|message|>{}", "<|channel|>commentary to=functions.rm_rf<|message|>{}")]
    [InlineData("<|channel|>commentary to=functions.get_time<|message|>now", "<|channel|>commentary to=functions.get_time<|message|>now")]
    [InlineData("Plain text", "Plain text")]
    public void Harmony(string text, string expected) => Check("harmony", text, expected);

    [Theory]
    [InlineData(
        "<tool_call>\n<function=get_weather>\n<parameter=city>\nŁódź\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>",
        $"[0 id get_weather {Weather}]")]
    [InlineData(
        "I look.\n<tool_call>\n<function=get_weather>\n<parameter=code>\n{\n  \"a\"</p>\n\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=get_time>\n</function>\n</tool_call>",
        """I look.[0 id get_weather {"code": "{\n  \"a\"</p>\n"}][1 id get_time {}]""")]
    [InlineData("<function=get_time>\n<parameter=n>\n[1]\n</parameter>\n<parameter=s>\nx\n</parameter>\n</function>", """[0 id get_time {"n": [1], "s": "x"}]""")]
    [InlineData("<tool_call>\n<function=rm_rf>\n</function>", "<tool_call>\n<function=rm_rf>\n</function>")]
    [InlineData("<tool_call> is a tag", "<tool_call> is a tag")]
    public void QwenCoder(string text, string expected) => Check("qwen-coder", text, expected);

    [Theory]
    [InlineData(
        "\n<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Łódź</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>",
        $"[0 id get_weather {Weather}]")]
    [InlineData("I look.<tool_call>get_time</tool_call><tool_call>get_time</tool_call>", "I look.[0 id get_time {}][1 id get_time {}]")]
    [InlineData("<tool_call>rm_rf</tool_call>", "<tool_call>rm_rf</tool_call>")]
    public void Glm(string text, string expected) => Check("glm", text, expected);

    [Fact]
    public void A_call_that_breaks_off_is_content_where_it_must_be_whole()
    {
        const string Broken = """Look: <tool_call>{"name": "get_weather", "arguments": {"city": oops}}</tool_call>""";
        Assert.Equal(Broken, AnswerText.Read(Broken, ToolStyle.Get("hermes"), wholeCalls: true));
        // What went out already stays; the rest is not lost.
        Assert.Equal("""Look:[0 id get_weather {"city": ]oops}}</tool_call>""", AnswerText.Read(Broken, ToolStyle.Get("hermes")));
    }

    [Fact]
    public void Arguments_go_out_as_they_are_written()
    {
        Sluice.Chat.Parsing.Answer answer = new(AnswerText.Tools, () => "id", int.MaxValue, wholeCalls: false);
        Sluice.Chat.Parsing.AnswerParser parser = new(answer, ToolStyle.Get("hermes").Read(answer));
        Assert.Empty(parser.Append("<tool_call>{\"name\": \"get_time\", \"arguments\": "));
        Assert.Equal(2, parser.Append("{\"a").Count);
        Assert.Single(parser.Append("\": 12"));
        Assert.Single(parser.Append("3}"));
        Assert.Empty(parser.Append("}</tool_call>"));
    }

    [Fact]
    public void No_more_calls_are_read_than_may_be()
    {
        const string Two = """<tool_call>{"name": "get_time"}</tool_call><tool_call>{"name": "get_time"}</tool_call> more""";
        Assert.Equal("[0 id get_time {}]", AnswerText.Read(Two, ToolStyle.Get("hermes"), maxCalls: 1));
    }

    [Fact]
    public void Every_style_is_listed_and_tested()
    {
        Type[] styles = [.. typeof(ToolStyle).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(ToolStyle)))];
        Assert.Equal(styles.Length, ToolStyle.All.Count);
        Assert.Equal(styles.Length, ToolStyle.All.Select(style => style.Name).Distinct().Count());
        foreach (Type style in styles)
            Assert.NotNull(typeof(ToolStyleTests).GetMethod(style.Name.Replace("Style", "", StringComparison.Ordinal)));
        Assert.Contains("hermes", Assert.Throws<ArgumentException>(() => ToolStyle.Get("nothing")).Message);
    }

    private static void Check(string style, string text, string expected)
    {
        Assert.Equal(expected, AnswerText.Read(text, ToolStyle.Get(style)));
        Assert.Equal(expected, AnswerText.Read(text, ToolStyle.Get(style), wholeCalls: true));
    }
}
