using System.Text.RegularExpressions;
using Microsoft.Playwright;
using Sluice.Server;
using Sluice.Server.Tests;
using static Microsoft.Playwright.Assertions;

namespace Sluice.Web.Tests;

/// <summary>The dashboard and the reference page.</summary>
public sealed class OtherPagesTests(Chromium chromium) : IClassFixture<Chromium>
{
    [Fact]
    public async Task TheDashboardMovesUnderLoad()
    {
        RunningServer server = await RunningServer.StartAsync();
        await using Tab tab = await Tab.OpenAsync(chromium, server, "/dashboard");
        await Expect(tab.Page.Locator("#state")).ToContainTextAsync(RunningServer.Model + " · up");
        await Expect(Value("Generated tokens a second")).ToHaveTextAsync("0.0");
        await Expect(Value("Time to the first token")).ToHaveTextAsync("–");

        const string body = """{"prompt":"Once upon a time there was a dog who","max_tokens":200,"ignore_eos":true,"stream":true}""";
        // Until the page was seen to tell of it: it looks once a second, and a request takes less.
        bool isSeen = false;
        Task[] load = [.. Enumerable.Range(0, 6).Select(async _ =>
        {
            do
            {
                using HttpResponseMessage answer = await server.Http.PostAsync("/v1/completions", new StringContent(body));
                Assert.EndsWith("data: [DONE]\n\n", await answer.Content.ReadAsStringAsync());
            }
            while (!Volatile.Read(ref isSeen));
        })];
        foreach (string title in (string[])["Generated tokens a second", "Prompt tokens a second", "KV blocks in use", "Requests"])
            await Expect(Value(title)).Not.ToHaveTextAsync(new Regex(@"^[0.]+$"));
        Volatile.Write(ref isSeen, true);
        await Task.WhenAll(load);
        foreach (string title in (string[])["Time to the first token", "Time between tokens", "Time of a whole request"])
            await Expect(Value(title)).ToHaveTextAsync(new Regex(@"^[\d.]+ m?s$"));
        await Expect(Value("Requests so far")).ToHaveTextAsync(new Regex(@"^[1-9][\d,]*$"));
        await Expect(Value("Prompt tokens found in the cache")).ToHaveTextAsync(new Regex(@"^\d+ %$"));
        await tab.Page.WaitForFunctionAsync("""
            [...document.querySelectorAll("canvas")].slice(0, 5).every(c => c.getContext("2d").getImageData(0, 0, c.width, c.height).data.some(v => v > 0))
            """);
        Assert.Empty(await tab.NamelessAsync());
        await tab.ShootAsync("dashboard");
        await tab.Page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Dark });
        await tab.Page.SetViewportSizeAsync(340, 640);
        await tab.Page.WaitForTimeoutAsync(1200); // it draws once a second
        Assert.False(await tab.OverflowsAsync());
        await tab.ShootAsync("dashboard-phone");

        await server.DisposeAsync();
        await Expect(tab.Page.Locator("#state")).ToHaveTextAsync("The server cannot be reached.");

        ILocator Value(string title) => tab.Page.Locator("section", new() { Has = tab.Page.GetByText(title, new() { Exact = true }) }).Locator(".value > span").First;
    }

    [Fact]
    public async Task TheDashboardAsksForAKey()
    {
        await using Tab tab = await Tab.OpenAsync(chromium, await RunningServer.StartAsync(new ServerOptions { ApiKeys = ["secret"] }), "/dashboard");
        await Expect(tab.Page.Locator("#state")).ToContainTextAsync("No valid API key");
        ILocator key = tab.Page.GetByLabel("API key");
        await key.FillAsync("secret");
        await key.PressAsync("Enter");
        await Expect(tab.Page.Locator("#state")).ToContainTextAsync("up 00:00");
    }

    [Fact]
    public async Task TheReferenceShowsEveryEndpoint()
    {
        RunningServer server = await RunningServer.StartAsync();
        await using Tab tab = await Tab.OpenAsync(chromium, server, "/docs");
        await Expect(tab.Page.Locator("article")).Not.ToHaveCountAsync(0);
        string[] paths = [.. (await server.GetAsync("/openapi.json")).GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject(), (path, method) => (path.Name, Tag: method.Value.GetProperty("tags")[0].GetString()))
            .GroupBy(route => route.Tag).SelectMany(tag => tag.Select(route => route.Name))];
        Assert.Equal(paths, await tab.Page.Locator("nav a").AllInnerTextsAsync());
        Assert.Equal(paths.Length, await tab.Page.Locator("article").CountAsync());

        ILocator chat = tab.Page.Locator("#PostV1ChatCompletions");
        await Expect(chat.Locator("dt", new() { HasText = "temperature" })).ToContainTextAsync("number, 0 to 100, 1 if absent");
        await Expect(chat.Locator("dt", new() { HasText = "messages" }).First).ToContainTextAsync("required");
        await Expect(chat.Locator("dl dl dt", new() { HasText = "role" }).First).ToContainTextAsync("\"assistant\"");
        ILocator codes = chat.Locator("pre");
        await Expect(codes.First).ToContainTextAsync("curl " + server.Address.ToString().TrimEnd('/') + "/v1/chat/completions");
        await Expect(codes.Nth(1)).ToContainTextAsync($"new(\"{RunningServer.Model}\"");
        await Expect(codes.Nth(1)).ToContainTextAsync(server.Address + "v1");
        await chat.GetByText("application/json", new() { Exact = true }).ClickAsync();
        await Expect(chat.Locator("dt", new() { HasText = "finish_reason" }).First).ToBeVisibleAsync();
        await tab.ShootAsync("docs");
        Assert.Empty(await tab.NamelessAsync());
        await tab.Page.Locator("nav a", new() { HasText = "/tokenize" }).ClickAsync();
        await Expect(tab.Page.Locator("#PostTokenize")).ToBeInViewportAsync();
        await tab.Page.SetViewportSizeAsync(340, 640);
        await tab.ShootAsync("docs-phone");
        Assert.False(await tab.OverflowsAsync());
    }
}
