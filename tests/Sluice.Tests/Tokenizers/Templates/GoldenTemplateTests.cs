using System.Text.Json;
using Sluice.Tokenizers.Templates;

namespace Sluice.Tests.Tokenizers.Templates;

public class GoldenTemplateTests
{
    [Fact]
    public void Published_templates_render_as_Jinja2_does()
    {
        JsonElement golden = GoldenTemplates.Read();
        List<string> wrong = [];
        int cases = 0;
        foreach (JsonElement entry in golden.GetProperty("templates").EnumerateArray())
        {
            string name = entry.GetProperty("name").GetString()!;
            ChatTemplate template = ChatTemplate.Parse(entry.GetProperty("template").GetString()!);
            foreach (JsonElement example in entry.GetProperty("cases").EnumerateArray())
            {
                cases++;
                string context = example.GetProperty("context").GetString()!;
                if (Difference(template, golden.GetProperty("contexts").GetProperty(context), example) is { } difference)
                    wrong.Add($"{name}, {context}: {difference}");
            }
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {cases}\n" + string.Join('\n', wrong.Take(20)));
        Assert.True(cases > 600);
    }

    /// <summary>How a rendering differs from what Jinja2 gave: a text, or an error of the same words.</summary>
    private static string? Difference(ChatTemplate template, JsonElement context, JsonElement example)
    {
        string? expected = example.TryGetProperty("output", out JsonElement output) ? output.GetString() : null;
        try
        {
            string text = template.Render(context, GoldenTemplates.Options);
            if (text == expected)
                return null;
            int at = expected is null ? 0 : text.AsSpan().CommonPrefixLength(expected);
            return $"at {at}: '{Part(text, at)}' is not '{(expected is null ? example.GetProperty("error") : Part(expected, at))}'";
        }
        catch (TemplateException exception)
        {
            if (expected is not null)
                return exception.Message;
            string error = example.GetProperty("error").GetString()!;
            return exception.Line > 0 && error.EndsWith(": " + exception.Reason, StringComparison.Ordinal)
                ? null
                : $"{exception.Message} is not {error}";
        }
    }

    private static string Part(string text, int start) => text.Substring(start, Math.Min(40, text.Length - start));
}
