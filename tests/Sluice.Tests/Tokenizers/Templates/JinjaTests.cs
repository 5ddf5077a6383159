using System.Text.Json;
using Sluice.TestData;
using Sluice.Tokenizers.Templates;

namespace Sluice.Tests.Tokenizers.Templates;

/// <summary>
/// What Jinja2 3.1.6, set up as transformers does, makes of some 1,400 small templates (tests/data/templates/README.md).
/// </summary>
public class JinjaTests
{
    private static readonly TemplateOptions Options = new()
    {
        Clock = new GoldenTemplates.FixedClock(new DateTime(2024, 7, 26, 15, 4, 5)),
    };

    [Fact]
    public void The_language_is_Jinja2s()
    {
        JsonElement file = JsonElement.Parse(File.ReadAllBytes(SharedFiles.Data("templates", "jinja.json")));
        JsonElement context = file.GetProperty("context");
        List<string> wrong = [];
        int cases = 0;
        foreach (JsonElement example in file.GetProperty("cases").EnumerateArray())
        {
            cases++;
            string template = example.GetProperty("template").GetString()!;
            string? expected = example.TryGetProperty("output", out JsonElement output) ? output.GetString() : null;
            string? actual = null;
            string reason = "";
            try
            {
                actual = ChatTemplate.Parse(template).Render(context, Options);
            }
            catch (TemplateException exception)
            {
                reason = exception.Message;
            }
            if (actual != expected)
                wrong.Add($"{template}\n  is       {actual ?? reason}\n  and not {expected ?? example.GetProperty("error").GetString()}");
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {cases}\n" + string.Join('\n', wrong));
        Assert.True(cases > 1000);
    }
}
