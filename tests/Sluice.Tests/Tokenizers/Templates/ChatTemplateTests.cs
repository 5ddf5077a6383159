using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Files;
using Sluice.TestData;
using Sluice.Tokenizers.Templates;

namespace Sluice.Tests.Tokenizers.Templates;

public class ChatTemplateTests
{
    private static readonly ChatMessage[] Conversation = [new("system", "Be brief."), new("user", "1+1?")];

    [Fact]
    public void A_models_template_knows_its_special_tokens()
    {
        using TemporaryFolder folder = new();
        string path = folder["chat.gguf"];
        string bos, eos;
        using (ModelFile model = ModelFile.Open(SharedFiles.Data("models", "llama-gqa.gguf")))
        {
            Assert.False(ChatTemplate.Has(model));
            string message = Assert.Throws<NotSupportedException>(() => ChatTemplate.FromModel(model)).Message;
            Assert.Contains("llama-gqa.gguf has no chat template", message);
            Sluice.Tokenizers.Tokenizer tokenizer = Sluice.Tokenizers.Tokenizer.FromModel(model);
            (bos, eos) = (tokenizer.TokenText(tokenizer.BosId!.Value), tokenizer.TokenText(tokenizer.EosId!.Value));
            model.Metadata.Add("tokenizer.chat_template", "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}");
            model.Metadata.Add("tokenizer.chat_template.tool_use", "{{ tools|length }}");
            GgufWriter.Write(path, model.Metadata, [.. model.Tensors.Values]);
        }
        using ModelFile chat = ModelFile.Open(path);
        Assert.True(ChatTemplate.Has(chat));
        ChatTemplate template = ChatTemplate.FromModel(chat);
        Assert.Equal($"{bos}Be brief.{eos}", template.Apply(Conversation));
        Assert.Equal($"xBe brief.{eos}", template.Apply(Conversation, more: new Dictionary<string, object?> { ["bos_token"] = "x" }));
        JsonElement tools = JsonElement.Parse("[{}, {}]");
        Assert.Equal("2", ChatTemplate.FromModel(chat, name: "tool_use").Apply(Conversation, tools: tools));
        Assert.Throws<NotSupportedException>(() => ChatTemplate.FromModel(chat, name: "rag"));
    }

    [Fact]
    public void Messages_become_dictionaries()
    {
        ChatMessage call = new("assistant", null)
        {
            ToolCalls = [new ChatToolCall("c1", "add", """{"a": 1, "b": [2.0]}"""), new ChatToolCall("c2", "bad", "not json")],
            ReasoningContent = "hm",
        };
        ChatMessage answer = new("tool", "3") { ToolCallId = "c1", Name = "add" };
        string json = ChatTemplate.Parse("{{ messages|tojson }}{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}")
            .Apply([call, answer], addGenerationPrompt: false);
        const string expected = """
            [{"role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"a": 1, "b": [2.0]}}},
             {"id": "c2", "type": "function", "function": {"name": "bad", "arguments": "not json"}}]},
             {"role": "tool", "content": "3", "name": "add", "tool_call_id": "c1"}]TrueTrueFalse
            """;
        Assert.Equal(expected.Replace("\n", ""), json);
    }

    [Fact]
    public void ChatMl_is_there_for_those_who_ask()
    {
        Assert.Equal(
            "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n",
            ChatTemplate.ChatMl.Apply(Conversation));
        Assert.EndsWith("<|im_end|>\n", ChatTemplate.ChatMl.Apply(Conversation, addGenerationPrompt: false));
    }

    [Fact]
    public void Values_of_dotnet_and_of_JSON_are_the_same()
    {
        Dictionary<string, object?> values = new()
        {
            ["x"] = new object?[] { null, true, (byte)1, 2, 3L, 4ul, 1.5f, 2.0, "é", new List<int> { 5 }, new Dictionary<string, int> { ["a"] = 6 } },
            ["y"] = JsonNode.Parse("""[null, true, 1, 2, 3, 4, 1.5, 2.0, "é", [5], {"a": 6}]"""),
            ["z"] = JsonElement.Parse("""[null, true, 1, 2, 3, 4, 1.5, 2.0, "\u00e9", [5], {"a": 7, "a": 6}]"""),
        };
        string text = ChatTemplate.Parse("{{ x == y == z }}{{ x }}").Render(values);
        Assert.Equal("True[None, True, 1, 2, 3, 4, 1.5, 2.0, 'é', [5], {'a': 6}]", text);

        ArgumentException exception = Assert.Throws<ArgumentException>(() => ChatTemplate.ChatMl.Render(new Dictionary<string, object?> { ["x"] = new Version(1, 0) }));
        Assert.Contains("System.Version", exception.Message);
        Assert.Throws<ArgumentException>(() => ChatTemplate.ChatMl.Render(JsonElement.Parse("[]")));
        Assert.Throws<ArgumentException>(() => ChatTemplate.ChatMl.Render(JsonElement.Parse("""{"x": "\ud83d"}""")));
    }

    [Theory]
    [InlineData("a\n{{ b }}\n\n{% if %}", 4, "Expected an expression, got end of statement block")]
    [InlineData("a\n{{ nope.x }}", 2, "'nope' is undefined")]
    [InlineData("{% macro m() %}\n\n{{ 1/0 }}{% endmacro %}\n\n{{ m() }}", 3, "division by zero")]
    [InlineData("{% macro m() %}\n\n{% endmacro %}\n\n{{ m() }}{{ 'a' + 1 }}", 5, "can only concatenate str (not \"int\") to str")]
    [InlineData("{#\n\n#}{{ raise_exception('My \"own\" words') }}", 3, "My \"own\" words")]
    [InlineData("\n{% include 'x' %}", 2, "'include' is not supported: a chat template sees nothing outside of itself and its data")]
    [InlineData("\n\n{{ 'abc", 3, "unexpected char ': the string does not end")]
    public void Errors_say_where(string template, int line, string reason)
    {
        TemplateException exception = Assert.Throws<TemplateException>(() => ChatTemplate.Parse(template).Render([]));
        Assert.Equal((line, reason), (exception.Line, exception.Reason));
        Assert.Equal($"line {line}: {reason}", exception.Message);
    }

    [Fact]
    public void Rendering_again_gives_the_same_also_at_once()
    {
        ChatTemplate template = ChatTemplate.Parse(
            "{% set c = cycler('a', 'b') %}{% macro m(x) %}{{ x }}{{ c.next() }}{% endmacro %}{% for i in range(50) %}{{ m(i) }}{% endfor %}");
        string expected = template.Render([]);
        Parallel.For(0, 100, _ => Assert.Equal(expected, template.Render([])));
    }

    [Theory]
    [InlineData("%Y-%m-%d", "2024-01-05")]
    [InlineData("%-d. %B %Y", "5. January 2024")]
    [InlineData("%a %A %b %j %U %W %V %u %w", "Fri Friday Jan 005 00 01 01 5 5")]
    [InlineData("%I:%M:%S %p %H %y %e|%%|%Q|%", "12:04:09 AM 00 24  5|%|%Q|%")]
    public void Time_is_written_as_by_strftime(string format, string expected)
    {
        TemplateOptions options = new() { Clock = new GoldenTemplates.FixedClock(new DateTime(2024, 1, 5, 0, 4, 9)) };
        Assert.Equal(expected, ChatTemplate.Parse("{{ strftime_now(f) }}").Render(new Dictionary<string, object?> { ["f"] = format }, options));
    }
}
