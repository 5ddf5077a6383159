using System.Text.Json;
using Microsoft.Playwright;
using Sluice.Server.Tests;

namespace Sluice.Web.Tests;

/// <summary>
/// A page of a server in a browser of its own, which notes what it asks for and complains of: it must never ask another server
/// for anything, and no script may fail.
/// </summary>
internal sealed class Tab : IAsyncDisposable
{
    private readonly List<string> _foreign = [], _errors = [];
    private readonly IBrowserContext _context;
    private readonly RunningServer _server;

    private Tab(IBrowserContext context, IPage page, RunningServer server)
    {
        (_context, Page, _server) = (context, page, server);
        context.Request += (_, request) =>
        {
            if (!request.Url.StartsWith(server.Address.ToString(), StringComparison.Ordinal) && !request.Url.StartsWith("data:", StringComparison.Ordinal))
                _foreign.Add(request.Url);
        };
        page.PageError += (_, error) => _errors.Add(error);
        page.SetDefaultTimeout(20_000);
    }

    public IPage Page { get; }

    public ILocator Turns => Page.Locator(".turn");

    public ILocator Answers => Page.Locator(".turn.assistant");

    public ILocator Input => Page.GetByLabel("Message", new() { Exact = true });

    public static async Task<Tab> OpenAsync(Chromium chromium, RunningServer server, string path = "/", BrowserNewContextOptions? options = null)
    {
        IBrowserContext context = await chromium.Browser.NewContextAsync(options ?? new() { ViewportSize = new() { Width = 1100, Height = 800 } });
        Tab tab = new(context, await context.NewPageAsync(), server);
        await tab.Page.GotoAsync(new Uri(server.Address, path).ToString());
        return tab;
    }

    /// <summary>Writes a message and waits for the end of its answer.</summary>
    public async Task AskAsync(string text)
    {
        await Input.FillAsync(text);
        await Input.PressAsync("Enter");
        await RestAsync();
    }

    public Task RestAsync() => Assertions.Expect(Button("Send").First).ToBeVisibleAsync();

    public ILocator Button(string name) => Page.GetByRole(AriaRole.Button, new() { Name = name, Exact = true });

    /// <summary>Sets a field of the settings.</summary>
    public async Task SetAsync(params (string Id, string Value)[] values)
    {
        await Button("Settings").ClickAsync();
        foreach ((string id, string value) in values)
            await Page.Locator("#" + id).FillAsync(value);
        await Page.Keyboard.PressAsync("Escape");
    }

    /// <summary>Lets the next answers be these deltas in place of the model's, which writes no Markdown.</summary>
    public Task AnswerWithAsync(params object[] deltas) => Page.RouteAsync("**/v1/chat/completions", route => route.FulfillAsync(new()
    {
        ContentType = "text/event-stream",
        Body = string.Concat(deltas.Select(delta => $"data: {JsonSerializer.Serialize(new { choices = new[] { new { index = 0, delta } } })}\n\n"))
            + "data: {\"choices\":[],\"usage\":{\"completion_tokens\":5}}\n\ndata: [DONE]\n\n",
    }));

    /// <summary>Keeps a picture for whoever wants to look, in the folder that SLUICE_SHOTS names.</summary>
    public async Task ShootAsync(string name)
    {
        if (Environment.GetEnvironmentVariable("SLUICE_SHOTS") is { } folder)
            await Page.ScreenshotAsync(new() { Path = Path.Combine(folder, name + ".png") });
    }

    public async Task<bool> OverflowsAsync() =>
        await Page.EvaluateAsync<bool>("document.documentElement.scrollWidth > innerWidth || document.body.scrollWidth > innerWidth");

    /// <summary>The controls that a screen reader would have no name for.</summary>
    public Task<string[]> NamelessAsync() => Page.EvaluateAsync<string[]>("""
        [...document.querySelectorAll("button, input, textarea, select, a, summary, canvas")]
            .filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML)
        """);

    public async ValueTask DisposeAsync()
    {
        await _context.DisposeAsync();
        await _server.DisposeAsync();
        Assert.Empty(_foreign);
        Assert.Empty(_errors);
    }
}
