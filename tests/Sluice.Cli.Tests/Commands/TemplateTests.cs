using System.Text.Json;
using Sluice.TestData;

namespace Sluice.Cli.Tests.Commands;

public class TemplateTests
{
    private const string Context = """{"messages": [{"role": "user", "content": "Hé 🙂"}], "add_generation_prompt": true}""";

    [Fact]
    public void Writes_the_prompt_and_nothing_else()
    {
        Assert.Equal("[user: Hé 🙂]>\n\n", Render("{% for m in messages %}[{{ m.role }}: {{ m.content }}]{% endfor %}>\n\n\n").Succeeded().Output);
        Assert.Equal("26 Jul 2024", Render("{{ strftime_now('%d %b %Y') }}", "--now", "2024-07-26").Succeeded().Output);
    }

    [Fact]
    public void Says_what_is_wrong()
    {
        Render("\n{% if %}").Failed(1, "line 2", "Expected an expression");
        Render("{{ raise_exception('roles must alternate') }}").Failed(1, "line 1: roles must alternate");
        Render("{{ 'x' }}{{ nope.x }}").Failed(1, "'nope' is undefined");
        Render("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}").Failed(1, "steps");
        SluiceProcess.Run("template", "--model", TestModel.Path, "--context", TestModel.Path).Failed(1, "no JSON");
        SluiceProcess.Run("template", "--context", "x.json").Failed(2, "either a --model or a --template");
    }

    [Fact]
    public void A_model_without_a_template_says_so()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("context.json"), Context);
        SluiceProcess.Run("template", "--model", TestModel.Path, "--context", folder.File("context.json"))
            .Failed(1, "no chat template", "tokenizer.chat_template");
    }

    [Fact]
    public void Published_templates_render_as_Jinja2_does()
    {
        JsonElement golden = JsonElement.Parse(File.ReadAllBytes(SharedFiles.Shared("golden", "chat", "templates.json")));
        JsonElement entry = golden.GetProperty("templates").EnumerateArray().First(e => e.GetProperty("name").GetString() == "openai-gpt-oss-120b");
        JsonElement example = entry.GetProperty("cases")[0];
        string context = golden.GetProperty("contexts").GetProperty(example.GetProperty("context").GetString()!).GetRawText();
        Assert.Equal(
            example.GetProperty("output").GetString(),
            RenderWith(context, entry.GetProperty("template").GetString()!, "--now", "2024-07-26").Succeeded().Output);
    }

    private static SluiceProcess.Result Render(string template, params string[] options) => RenderWith(Context, template, options);

    private static SluiceProcess.Result RenderWith(string context, string template, params string[] options)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("template.jinja"), template);
        File.WriteAllText(folder.File("context.json"), context);
        return SluiceProcess.Run(
            ["template", "--template", folder.File("template.jinja"), "--context", folder.File("context.json"), .. options]);
    }
}
