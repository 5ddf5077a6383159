using Microsoft.Playwright;
using Sluice.Server.Tests;
using static Microsoft.Playwright.Assertions;

namespace Sluice.Web.Tests;

/// <summary>What the chat makes of a model's Markdown, and that nothing of it ever runs or loads.</summary>
public sealed class MarkdownTests(Chromium chromium) : IClassFixture<Chromium>
{
    public const string Sample = """
        # Sorting in **C#**

        A *quick* answer with `inline <code>`, ~~mistakes~~ and a [link](https://example.org/a_b). snake_case_stays.

        1. First take the pivot
           - the middle one
           - or a random one

             with a paragraph below
        2. Then part the rest

        | Algorithm | Mean time | Stable |
        |:----------|----------:|:------:|
        | Quick sort | n log n | no |
        | Merge sort | n log n | **yes** |

        > Premature optimization
        > is the root of all evil.

        ```csharp
        int[] Sort(int[] values) =>
            values.Length < 2 ? values : [.. Sort([.. values.Where(v => v < values[0])]), values[0], .. Sort([.. values.Skip(1).Where(v => v >= values[0])])];
        ```

        ---
        And `a | b` is *not* a table.
        """;

    private const string Attack = """
        <script>window.hacked = 1</script> <img src=x onerror="window.hacked=1">
        # <svg onload=window.hacked=1>
        [click](javascript:window.hacked=1) [data](data:text/html,<script>window.hacked=1</script>) ![p](https://example.org/p.png)
        | <img src=x onerror=window.hacked=1> | `</code><script>window.hacked=1</script>` |
        |---|---|
        | **<iframe srcdoc="<script>parent.hacked=1</script>">** | <a href="javascript:window.hacked=1">x</a> |
        ```"><script>window.hacked=1</script>
        </code></pre><script>window.hacked=1</script>
        ```
        """;

    [Fact]
    public async Task MarkdownBecomesElements()
    {
        await using Tab tab = await Tab.OpenAsync(chromium, await RunningServer.StartAsync());
        await tab.AnswerWithAsync(new { role = "assistant", content = "" }, new { content = Sample[..100] }, new { content = Sample[100..] });
        await tab.AskAsync("How do I sort?");
        ILocator text = tab.Answers.Locator(".text");
        await tab.ShootAsync("chat-markdown");
        await Expect(text.Locator("h2 strong")).ToHaveTextAsync("C#");
        await Expect(text.Locator("p em").First).ToHaveTextAsync("quick");
        await Expect(text.Locator("p code").First).ToHaveTextAsync("inline <code>");
        await Expect(text.Locator("s")).ToHaveTextAsync("mistakes");
        await Expect(text).ToContainTextAsync("snake_case_stays");
        await Expect(text.Locator("> ol > li")).ToHaveCountAsync(2);
        await Expect(text.Locator("ol > li > ul > li")).ToHaveCountAsync(2);
        await Expect(text.Locator("ol > li > ul > li").Nth(1)).ToContainTextAsync("with a paragraph below");
        await Expect(text.Locator("th")).ToHaveTextAsync(["Algorithm", "Mean time", "Stable"]);
        await Expect(text.Locator("td")).ToHaveTextAsync(["Quick sort", "n log n", "no", "Merge sort", "n log n", "yes"]);
        await Expect(text.Locator("blockquote")).ToContainTextAsync("root of all evil");
        await Expect(text.Locator("hr")).ToHaveCountAsync(1);
        await Expect(text.Locator(".code > div > span")).ToHaveTextAsync("csharp");
        Assert.StartsWith("int[] Sort(int[] values) =>\n    values.Length", await text.Locator("pre code").InnerTextAsync());
        ILocator link = text.GetByRole(AriaRole.Link, new() { Name = "link" });
        await Expect(link).ToHaveAttributeAsync("href", "https://example.org/a_b");
        await Expect(link).ToHaveAttributeAsync("rel", "noopener noreferrer");
        Assert.False(await tab.OverflowsAsync());

        await tab.Page.Context.GrantPermissionsAsync(["clipboard-read", "clipboard-write"]);
        await text.Locator(".code button").ClickAsync();
        await Expect(text.Locator(".code button")).ToHaveTextAsync("Copied");
        Assert.StartsWith("int[] Sort", await tab.Page.EvaluateAsync<string>("navigator.clipboard.readText()"));

        await tab.Page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        await tab.ShootAsync("chat-markdown-dark");
    }

    [Fact]
    public async Task NothingThatAModelWritesRuns()
    {
        await using Tab tab = await Tab.OpenAsync(chromium, await RunningServer.StartAsync());
        await tab.AnswerWithAsync([.. Attack.Select(letter => new { content = letter.ToString() })]);
        await tab.AskAsync(Attack);
        await tab.ShootAsync("chat-attack");
        ILocator turns = tab.Page.Locator("#turns");
        await Expect(turns.Locator("script, img, svg, iframe")).ToHaveCountAsync(0);
        Assert.Equal("https://example.org/p.png", Assert.Single(
            await turns.Locator("a").EvaluateAllAsync<string[]>("all => all.map(a => a.href)"))); // a picture is a link, and not fetched
        await Expect(tab.Turns.First.Locator(".text")).ToHaveTextAsync(Attack.ReplaceLineEndings("\n"), new() { UseInnerText = true });
        await Expect(tab.Answers.Locator(".text")).ToContainTextAsync("<script>window.hacked = 1</script>");
        await tab.Page.ReloadAsync(); // from what was kept, too
        await Expect(turns.Locator("script, img, svg, iframe")).ToHaveCountAsync(0);

        // And if a hole were found, the page's policy would not let it run.
        await tab.Page.EvaluateAsync("""document.body.insertAdjacentHTML("beforeend", "<img src=data:, onerror='window.hacked=2'><iframe srcdoc='<script>parent.hacked=2</script>'></iframe>")""");
        await tab.Page.WaitForTimeoutAsync(300);
        Assert.Null(await tab.Page.EvaluateAsync<int?>("window.hacked ?? null"));
    }

    [Fact]
    public async Task ThoughtsAreFoldedAway()
    {
        await using Tab tab = await Tab.OpenAsync(chromium, await RunningServer.StartAsync());
        await tab.AnswerWithAsync(new { reasoning_content = "First I **weigh** " }, new { reasoning_content = "it." }, new { content = "Yes." });
        await tab.AskAsync("Shall I?");
        ILocator thought = tab.Answers.Locator("details.reasoning");
        await Expect(thought.Locator("summary")).ToContainTextAsync("Thought for");
        await Expect(thought.GetByText("weigh")).ToBeHiddenAsync();
        await Expect(tab.Answers.Locator("> .text")).ToHaveTextAsync("Yes.");
        await thought.Locator("summary").ClickAsync();
        await Expect(thought.GetByText("weigh")).ToBeVisibleAsync();
        await Expect(thought.Locator("strong")).ToHaveTextAsync("weigh");
        await tab.ShootAsync("chat-thought");
        IRequest next = await tab.Page.RunAndWaitForRequestAsync(() => tab.AskAsync("Why?"), "**/v1/chat/completions");
        Assert.DoesNotContain("weigh", next.PostData); // thoughts are not sent back
    }
}
