using System.Text.Json;
using CsCheck;
using Sluice.TestData;
using Sluice.Tokenizers.Templates;

namespace Sluice.Tests.Tokenizers.Templates;

/// <summary>Whatever a downloaded template does, a rendering ends, with a text or a <see cref="TemplateException"/>.</summary>
public class HostileTemplateTests
{
    private const int Many = 100_000;

    // Less than what is usual, so that what runs into a bound does so fast.
    private static readonly TemplateOptions Tight = new() { MaxSteps = 1_000_000, MaxLength = 1 << 20 };

    public static TheoryData<string, string> Deep => new()
    {
        { "{{ " + Repeat("(") + "1" + Repeat(")") + " }}", "nests" },
        { "{{ " + Repeat("[") + "1" + Repeat("]") + " }}", "nests" },
        { "{{ " + Repeat("{1:") + "1" + Repeat("}") + " }}", "nests" },
        { "{{ " + Repeat("-") + "1 }}", "nests" },
        { "{{ " + Repeat("not ") + "1 }}", "nests" },
        { "{{ " + Repeat("1 if 1 else ") + "1 }}", "nests" },
        { "{{ " + Repeat("f(") + Repeat(")") + " }}", "nests" },
        { "{{ " + Repeat("a[") + "0" + Repeat("]") + " }}", "nests" },
        { "{{ 1" + Repeat("|d(1") + Repeat(")") + " }}", "nests" },
        { "{% set " + Repeat("(") + "a" + Repeat(")") + " = 1 %}", "nests" },
        { Repeat("{% if 1 %}"), "nests" },
        { Repeat("{% for a in b %}"), "nests" },
        { Repeat("{% macro m() %}"), "nests" },
        { Repeat("{% set a %}"), "nests" },
        // These do not nest for the parser, but their trees are deep.
        { "{{ 1" + Repeat(" + 1") + " }}", "deeply" },
        { "{{ 1" + Repeat(" or 0") + " or 0 }}{{ 0" + Repeat(" or 0") + " }}", "deeply" },
        { "{{ x" + Repeat(".a") + " }}", "deeply" },
        { "{{ x" + Repeat("|string") + " }}", "deeply" },
        { "{{ x" + Repeat("()") + " }}", "deeply" },
        { "{% filter upper" + Repeat("|upper") + " %}{% endfilter %}", "deeply" },
        { "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "deeply" },
        { "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "deeply" },
        { "{% macro m() %}{{ caller }}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}", "deeply" },
        { Nest("[n.x]") + "{{ n.x }}", "deeply" },
        { Nest("{'a': n.x}") + "{{ n.x|tojson }}", "deeply" },
        { Nest("(n.x,)") + "{{ {n.x: 1} }}", "deeply" },
        { Nest("[n.x]") + "{% set a = n.x %}" + Nest("[n.x]") + "{{ a == n.x }}", "deeply" },
        { Nest("[n.x]") + "{% set a = n.x %}" + Nest("[n.x]") + "{{ a < n.x }}", "deeply" },
        { "{% set n = namespace() %}{% set n.n = n %}{{ n }}", "deeply" },
    };

    public static TheoryData<string, string> Expensive => new()
    {
        { "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "steps" },
        { "{% macro m(x) %}{{ m(x) }}{{ m(x) }}{% endmacro %}{{ m(1) }}", "" },
        { "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "" },
        { "{{ 'x' * 999999999999 }}", "longer" },
        { "{{ [1] * 999999999999 }}", "longer" },
        { "{{ 'x'.center(999999999999) }}", "longer" },
        { "{{ 'x'|center(999999999) }}", "longer" },
        { "{{ '%999999999d' % 1 }}", "longer" },
        { "{{ '%.999999999f' % 1 }}", "precision" },
        { "{{ '{:999999999}'.format(1) }}", "longer" },
        { "{{ [1]|batch(999999999, 'x')|list }}", "longer" },
        { "{{ [1]|slice(999999999)|list }}", "" },
        { "{{ {'a': [1, [2]]}|tojson(indent=999999999) }}", "longer" },
        { "{{ 'a\\nb'|indent(999999999) }}", "longer" },
        { "{{ range(999999999) }}", "Range too big" },
        { "{{ 9 ** (9 ** 9) }}", "large" },
        { "{{ 10 ** 4000 * 10 ** 4000 }}", "bits" },
        { Doubled("n.x ~ n.x"), "longer" },
        { Doubled("n.x + n.x"), "longer" },
        { Doubled("[n.x, n.x]") + "{{ n.x }}", "" },
        { Doubled("[n.x, n.x]") + "{{ n.x|tojson }}", "" },
        { Doubled("(n.x, n.x)") + "{{ {n.x: 1} }}", "steps" },
        { Doubled("[n.x, n.x]") + "{% set a = n.x %}" + Doubled("[n.x, n.x]") + "{{ a == n.x }}", "steps" },
        { Doubled("n.x.replace('', 'xx')"), "" },
        { "{% set a = 'a' * 1000000 %}{% set b = 'a' * 500000 + 'b' + 'a' * 400000 %}{{ b in a }}", "steps" },
        { "{% set a = ('a' * 1000)|list %}{% for x in a %}{% for y in a %}{{ a|join }}{% endfor %}{% endfor %}", "" },
    };

    [Theory]
    [MemberData(nameof(Deep))]
    [MemberData(nameof(Expensive))]
    public void Bounds_hold(string template, string said)
    {
        TemplateException? exception = null;
        // A small stack, as threads may have.
        Thread thread = new(() => exception = Record.Exception(() => ChatTemplate.Parse(template).Render([], Tight)) as TemplateException, 512 << 10);
        thread.Start();
        thread.Join();
        Assert.NotNull(exception);
        Assert.Contains(said, exception.Message);
    }

    [Fact]
    public void Long_templates_that_do_not_nest_are_no_problem()
    {
        string template = "{{ 'a'" + Repeat(" ~ 'b'") + " }}{{ [" + Repeat("1,") + "]|length }}" + Repeat("{% if 1 %}c{% endif %}");
        Assert.Equal($"a{Repeat("b")}{Many}{Repeat("c")}", ChatTemplate.Parse(template).Render([]));
        Assert.Equal("", ChatTemplate.Parse("{% if 0 %}" + Repeat("{% elif 0 %}") + "{% endif %}").Render([]));
    }

    [Fact]
    public void Templates_cannot_leave_their_data()
    {
        string[] attempts =
        [
            "''.__class__.__mro__", "[].__class__.__base__", "messages.GetType()", "messages.Count()", "''.Length.x", "self._x.y",
            "(''|attr('__class__')).x", "'{0.__class__.x}'.format('')", "range.__globals__.x", "namespace.__init__.x", "loop.__class__.x",
            "messages[0].GetHashCode()", "cycler.__init__.__globals__.os", "lipsum.__globals__", "messages.append(1)", "messages[0].update({})",
        ];
        Dictionary<string, object?> values = new() { ["messages"] = new[] { new Dictionary<string, object?> { ["role"] = "user" } } };
        foreach (string attempt in attempts)
            Assert.Throws<TemplateException>(() => ChatTemplate.Parse("{{ " + attempt + " }}").Render(values));
    }

    [Fact]
    public void A_rendering_can_be_cancelled()
    {
        using CancellationTokenSource cancellation = new();
        cancellation.Cancel();
        Assert.Throws<OperationCanceledException>(() => ChatTemplate.Parse("{{ 1 }}").Render([], cancellation: cancellation.Token));
    }

    [Fact]
    public void Mutated_templates_render_or_fail_properly()
    {
        JsonElement small = JsonElement.Parse(File.ReadAllBytes(SharedFiles.Data("templates", "jinja.json")));
        string[] templates = [.. small.GetProperty("cases").EnumerateArray().Select(example => example.GetProperty("template").GetString()!)];
        Fuzz(templates, [small.GetProperty("context")], 20_000);
    }

    [Fact]
    public void Mutated_published_templates_render_or_fail_properly()
    {
        JsonElement golden = GoldenTemplates.Read();
        string[] templates = [.. golden.GetProperty("templates").EnumerateArray().Select(entry => entry.GetProperty("template").GetString()!)];
        Fuzz(templates, [.. golden.GetProperty("contexts").EnumerateObject().Select(context => context.Value)], 3_000);
    }

    /// <summary>Renders templates with a few parts taken out, doubled, swapped or put in from others.</summary>
    private static void Fuzz(string[] templates, JsonElement[] contexts, int count)
    {
        string[] parts = ["{%", "%}", "{{", "}}", "{#", "-", "(", ")", "[", "]", "'", "\"", "|", ".", " if ", " else ", " not ", " is ", "**", "*",
            "|list", "|tojson", "[::-1]", "99999999999", ".format", "%", " in ", "recursive", "\\", "{% endfor %}", "{% break %}", "\ud83d", "\0"];
        Gen<(int Template, int Context, (int Kind, uint At, int Length, uint Other)[] Edits)> cases = Gen.Select(
            Gen.Int[0, templates.Length - 1], Gen.Int[0, contexts.Length - 1],
            Gen.Select(Gen.Int[0, 3], Gen.UInt, Gen.Int[0, 12], Gen.UInt).Array[1, 4]);
        cases.Sample(test =>
        {
            string text = templates[test.Template];
            foreach ((int kind, uint at, int length, uint other) in test.Edits)
                text = Edit(text, kind, (int)(at % (uint)(text.Length + 1)), length, other);
            try
            {
                _ = ChatTemplate.Parse(text).Render(contexts[test.Context], Tight);
            }
            catch (TemplateException)
            {
            }
        }, iter: count, threads: 1, print: test => templates[test.Template]);

        string Edit(string text, int kind, int at, int length, uint other)
        {
            int end = Math.Min(at + length, text.Length);
            string source = templates[other % (uint)templates.Length];
            int from = (int)(other % (uint)(source.Length + 1));
            return kind switch
            {
                0 => text.Remove(at, end - at),
                1 => text.Insert(at, text[at..end]),
                2 => text.Insert(at, parts[other % (uint)parts.Length]),
                _ => text.Insert(at, source[from..Math.Min(from + length, source.Length)]),
            };
        }
    }

    private static string Repeat(string text) => string.Concat(Enumerable.Repeat(text, Many));

    /// <summary>A loop that puts n.x into something, often.</summary>
    private static string Nest(string value) =>
        "{% set n = namespace(x=1) %}{% for i in range(5000) %}{% set n.x = " + value + " %}{% endfor %}";

    private static string Doubled(string value) =>
        "{% set n = namespace(x='ab') %}{% for i in range(64) %}{% set n.x = " + value + " %}{% endfor %}";
}
