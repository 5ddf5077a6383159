using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Sluice.Server;
using Sluice.Server.Tests;
using static Microsoft.Playwright.Assertions;

namespace Sluice.Web.Tests;

/// <summary>The web chat in a real browser, as a user meets it.</summary>
public sealed partial class ChatPageTests(Chromium chromium) : IClassFixture<Chromium>
{
    private const string Story = "Once upon a time";

    [Fact]
    public async Task AnswersStreamAndTellTheirSpeed()
    {
        using Gate gate = new();
        await using Tab tab = await Tab.OpenAsync(chromium, await RunningServer.StartAsync(gate: gate));
        await Expect(tab.Page.Locator("#model")).ToContainTextAsync($"{RunningServer.Model} · context of");
        await tab.ShootAsync("chat-empty");
        await tab.SetAsync(("max_completion_tokens", "60"), ("temperature", "0"));
        await tab.Input.FillAsync(Story);
        gate.Close(afterSteps: 12);
        await tab.Button("Send").ClickAsync();
        ILocator text = tab.Answers.Locator(".text");
        await Expect(text).ToContainTextAsync(Word());
        string early = await text.InnerTextAsync();
        await Expect(tab.Button("Stop")).ToBeVisibleAsync();
        await tab.ShootAsync("chat-streaming");
        gate.Open();
        await tab.RestAsync();
        string late = await text.InnerTextAsync();
        Assert.StartsWith(early.TrimEnd(), late);
        Assert.True(late.Length > early.Length + 20, $"'{early}' grew to '{late}'");
        await Expect(tab.Answers.Locator(".note")).ToHaveTextAsync(Speed());
        await Expect(tab.Input).ToHaveValueAsync("");
        await tab.AskAsync("And then?");
        Assert.Equal(4, await tab.Turns.CountAsync());
        await tab.ShootAsync("chat-answered");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task AnAnswerCanBeStopped(bool byKey)
    {
        using Gate gate = new();
        RunningServer server = await RunningServer.StartAsync(gate: gate);
        await using Tab tab = await Tab.OpenAsync(chromium, server);
        await tab.SetAsync(("max_completion_tokens", "400"), ("temperature", "0"));
        gate.Close(afterSteps: 12);
        await tab.Input.FillAsync(Story);
        await tab.Input.PressAsync("Enter");
        await Expect(tab.Answers.Locator(".text")).ToContainTextAsync(Word());
        if (byKey)
            await tab.Page.Keyboard.PressAsync("Escape");
        else
            await tab.Button("Stop").ClickAsync();
        await Expect(tab.Answers.Locator(".note")).ToContainTextAsync("stopped");
        Assert.NotEqual("", await tab.Answers.Locator(".text").InnerTextAsync());
        gate.Open();
        await server.ComesToRestAsync(); // the engine stopped too
        await tab.SetAsync(("max_completion_tokens", "10"));
        await tab.AskAsync("Go on");
        Assert.Equal(4, await tab.Turns.CountAsync());
    }

    [Fact]
    public async Task MessagesCanBeEditedAndAnswersRetried()
    {
        await using Tab tab = await Tab.OpenAsync(chromium, await RunningServer.StartAsync());
        await tab.SetAsync(("temperature", "0"), ("max_completion_tokens", "12"));
        await tab.AskAsync("The dragon");
        string first = await tab.Answers.Locator(".text").InnerTextAsync();
        await tab.AskAsync("And then?");

        await tab.Answers.First.GetByText("Retry").ClickAsync(); // cuts what came after
        await tab.RestAsync();
        Assert.Equal(2, await tab.Turns.CountAsync());
        Assert.Equal(first, await tab.Answers.Locator(".text").InnerTextAsync());

        await tab.Turns.First.GetByText("Edit").ClickAsync();
        ILocator edit = tab.Page.GetByLabel("Edit your message");
        await Expect(edit).ToHaveValueAsync("The dragon");
        await Expect(edit).ToBeFocusedAsync();
        await Expect(tab.Turns.First.GetByText("Edit")).ToBeHiddenAsync();
        await tab.ShootAsync("chat-editing");
        await edit.PressAsync("Escape");
        await Expect(edit).ToHaveCountAsync(0);
        await tab.Turns.First.GetByText("Edit").ClickAsync();
        await edit.FillAsync("In the forest a girl");
        await edit.PressAsync("Enter");
        await tab.RestAsync();
        await Expect(tab.Turns.First.Locator(".text")).ToHaveTextAsync("In the forest a girl");
        Assert.Equal(2, await tab.Turns.CountAsync());
        Assert.NotEqual(first, await tab.Answers.Locator(".text").InnerTextAsync());

        await tab.Button("New chat").ClickAsync();
        await Expect(tab.Turns).ToHaveCountAsync(0);
        await Expect(tab.Page.GetByText("What would you like to know?")).ToBeVisibleAsync();
        await tab.Button("Tell me a story about a dragon").ClickAsync();
        await tab.RestAsync();
        Assert.Equal(2, await tab.Turns.CountAsync());
    }

    [Fact]
    public async Task SettingsReachTheServerAndStay()
    {
        await using Tab tab = await Tab.OpenAsync(chromium, await RunningServer.StartAsync());
        (string Name, string Value)[] numbers = [("temperature", "0.5"), ("max_completion_tokens", "7"), ("top_p", "0.9"), ("top_k", "20"), ("min_p", "0.1"),
            ("seed", "3"), ("presence_penalty", "0.25"), ("frequency_penalty", "-0.5"), ("repetition_penalty", "1.5")];
        await tab.SetAsync([("system", "You tell stories."), .. numbers]);
        await tab.Page.ReloadAsync();
        await tab.Button("Settings").ClickAsync();
        await tab.ShootAsync("chat-settings");
        await tab.Button("Close").ClickAsync();
        IRequest request = await tab.Page.RunAndWaitForRequestAsync(() => tab.AskAsync(Story), "**/v1/chat/completions");
        JsonElement body = JsonDocument.Parse(request.PostData!).RootElement;
        Assert.Equal(["system", "user"], body.GetProperty("messages").EnumerateArray().Select(message => message.GetProperty("role").GetString()));
        Assert.Equal("You tell stories.", body.GetProperty("messages")[0].GetProperty("content").GetString());
        Assert.All(numbers, number => Assert.Equal(number.Value, body.GetProperty(number.Name).GetRawText()));
        await Expect(tab.Answers.Locator(".note")).ToHaveTextAsync(new Regex("^[0-7] tokens"));

        await tab.Button("Settings").ClickAsync();
        await tab.Button("Reset").ClickAsync();
        await Expect(tab.Page.Locator("#temperature")).ToHaveValueAsync("0.8");
        await Expect(tab.Page.Locator("#seed")).ToHaveValueAsync("");
        await Expect(tab.Page.Locator("#system")).ToHaveValueAsync("");
    }

    [Fact]
    public async Task AReloadKeepsTheConversation()
    {
        await using Tab tab = await Tab.OpenAsync(chromium, await RunningServer.StartAsync());
        await tab.SetAsync(("temperature", "0"));
        await tab.AskAsync(Story);
        string answer = await tab.Answers.Locator(".text").InnerTextAsync();
        await tab.Page.ReloadAsync();
        await Expect(tab.Turns).ToHaveCountAsync(2);
        await Expect(tab.Turns.First.Locator(".text")).ToHaveTextAsync(Story);
        Assert.Equal(answer, await tab.Answers.Locator(".text").InnerTextAsync());
        await Expect(tab.Answers.Locator(".note")).ToHaveTextAsync(Speed());
        await tab.AskAsync("And then?");
        Assert.Equal(4, await tab.Turns.CountAsync());
    }

    [Fact]
    public async Task LightAndDarkFollowTheSystemOrTheUser()
    {
        await using Tab tab = await Tab.OpenAsync(chromium, await RunningServer.StartAsync());
        await tab.Page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        Assert.True(await BrightnessAsync() < 60);
        await tab.Button("Colours: auto").ClickAsync();
        Assert.True(await BrightnessAsync() > 200);
        await tab.Page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Light });
        await tab.Button("Colours: light").ClickAsync();
        Assert.True(await BrightnessAsync() < 60);
        await tab.Page.ReloadAsync();
        Assert.True(await BrightnessAsync() < 60);
        await Expect(tab.Button("Colours: dark")).ToBeVisibleAsync();

        Task<double> BrightnessAsync() => tab.Page.EvaluateAsync<double>("""
            (() => { const c = document.createElement("canvas").getContext("2d"); c.fillStyle = getComputedStyle(document.body).backgroundColor;
              c.fillRect(0, 0, 1, 1); return c.getImageData(0, 0, 1, 1).data[1]; })()
            """);
    }

    [Fact]
    public async Task KeysAreAskedForAndKept()
    {
        await using Tab tab = await Tab.OpenAsync(chromium, await RunningServer.StartAsync(new ServerOptions { ApiKeys = ["secret"] }));
        ILocator key = tab.Page.GetByRole(AriaRole.Textbox, new() { Name = "API key", Exact = true });
        await Expect(tab.Page.GetByText("This server needs an API key.")).ToBeVisibleAsync();
        await tab.ShootAsync("chat-key");
        await key.FillAsync("wrong");
        await tab.Button("Use it").ClickAsync();
        await tab.AskAsync(Story);
        await Expect(tab.Answers.GetByRole(AriaRole.Alert)).ToContainTextAsync("No valid API key");
        await key.FillAsync("secret");
        await key.PressAsync("Enter");
        await Expect(tab.Page.Locator("#gate")).ToBeHiddenAsync();
        await tab.Answers.GetByText("Retry").ClickAsync();
        await Expect(tab.Answers.Locator(".note")).ToHaveTextAsync(Speed());
        await tab.Page.ReloadAsync();
        await Expect(tab.Page.Locator("#model")).ToContainTextAsync(RunningServer.Model);
    }

    [Fact]
    public async Task ErrorsAreShown()
    {
        RunningServer server = await RunningServer.StartAsync(new ServerOptions { RequestsPerMinute = 1 });
        await using Tab tab = await Tab.OpenAsync(chromium, server);
        await tab.AskAsync(Story);
        await tab.AskAsync("And then?");
        ILocator error = tab.Page.GetByRole(AriaRole.Alert);
        await Expect(error).ToHaveTextAsync(new Regex(@"^The server is busy: Too many requests a minute\. Try again in \d+ s\.$"));
        await tab.ShootAsync("chat-busy");
        await tab.Answers.Last.GetByText("Retry").ClickAsync();
        await Expect(error).ToHaveCountAsync(1);
        await server.DisposeAsync();
        await tab.Answers.Last.GetByText("Retry").ClickAsync();
        await Expect(error).ToHaveTextAsync("The server cannot be reached.");
        Assert.Equal(4, await tab.Turns.CountAsync());
    }

    [Fact]
    public async Task AServerThatGoesInTheMiddleIsTold()
    {
        using Gate gate = new();
        RunningServer server = await RunningServer.StartAsync(new ServerOptions { ShutdownTimeout = TimeSpan.Zero }, gate: gate);
        await using Tab tab = await Tab.OpenAsync(chromium, server);
        await tab.SetAsync(("temperature", "0"));
        gate.Close(afterSteps: 12);
        await tab.Input.FillAsync(Story);
        await tab.Input.PressAsync("Enter");
        await Expect(tab.Answers.Locator(".text")).ToContainTextAsync(Word());
        await server.DisposeAsync();
        await Expect(tab.Page.GetByRole(AriaRole.Alert)).Not.ToBeEmptyAsync();
        await tab.RestAsync();
        Assert.NotEqual("", await tab.Answers.Locator(".text").InnerTextAsync()); // what came is kept
    }

    [Fact]
    public async Task ANarrowPhoneShowsEverything()
    {
        await using Tab tab = await Tab.OpenAsync(chromium, await RunningServer.StartAsync(), "/", new()
        {
            ViewportSize = new() { Width = 340, Height = 640 },
            HasTouch = true,
            IsMobile = true,
        });
        await tab.AnswerWithAsync(new { content = MarkdownTests.Sample });
        await tab.AskAsync("A question that is somewhat longer than a phone is wide, with averyveryveryveryveryveryverylongwordatitsend");
        Assert.False(await tab.OverflowsAsync());
        await tab.ShootAsync("chat-phone");
        await Expect(tab.Button("Send")).ToBeInViewportAsync();
        await Expect(tab.Button("New chat")).ToBeInViewportAsync();
        await tab.Button("Settings").ClickAsync();
        await tab.ShootAsync("chat-phone-settings");
        Assert.False(await tab.OverflowsAsync());
        await tab.Button("Close").ClickAsync();
        await Expect(tab.Page.Locator("#settings")).ToBeHiddenAsync();
    }

    [Fact]
    public async Task KeysReachEverythingAndEverythingHasAName()
    {
        await using Tab tab = await Tab.OpenAsync(chromium, await RunningServer.StartAsync());
        await tab.AnswerWithAsync(new { content = "Yes." });
        await Expect(tab.Input).ToBeFocusedAsync();
        await tab.Input.PressSequentiallyAsync("Once");
        await tab.Input.PressAsync("Shift+Enter");
        await tab.Input.PressSequentiallyAsync("upon");
        await Expect(tab.Input).ToHaveValueAsync("Once\nupon");
        Assert.Equal(0, await tab.Turns.CountAsync());
        await tab.Input.PressAsync("Enter");
        await tab.RestAsync();
        Assert.Empty(await tab.NamelessAsync());

        // From the top, Tab comes by every control, and each shows that it has the focus.
        await tab.Page.EvaluateAsync("document.activeElement.blur()");
        List<string> met = [];
        for (int i = 0; i < 14; i++)
        {
            await tab.Page.Keyboard.PressAsync("Tab");
            met.Add(await tab.Page.EvaluateAsync<string>("document.activeElement.ariaLabel || document.activeElement.textContent.trim() || document.activeElement.id"));
            if (i == 0)
                Assert.Equal("solid", await tab.Page.EvaluateAsync<string>("getComputedStyle(document.activeElement).outlineStyle"));
        }
        Assert.Superset(new HashSet<string>(["Dashboard", "API", "Colours: auto", "Settings", "New chat", "Edit", "Retry", "Copy", "input", "Send"]), new HashSet<string>(met));

        await tab.Button("Settings").FocusAsync();
        await tab.Page.Keyboard.PressAsync("Enter");
        await Expect(tab.Page.GetByRole(AriaRole.Dialog, new() { Name = "Settings" })).ToBeVisibleAsync();
        Assert.Empty(await tab.NamelessAsync());
        await tab.Page.GetByLabel("Temperature").FillAsync("0.3");
        await tab.Page.Keyboard.PressAsync("Escape");
        await Expect(tab.Page.Locator("#settings")).ToBeHiddenAsync();
        await Expect(tab.Button("Settings")).ToBeFocusedAsync();
    }

    [GeneratedRegex("[a-z]{2,}")]
    private static partial Regex Word();

    [GeneratedRegex(@"^\d+ tokens, [\d.]+ tokens/s, first after [\d.]+ m?s(, cut at max tokens)?$")]
    private static partial Regex Speed();
}
