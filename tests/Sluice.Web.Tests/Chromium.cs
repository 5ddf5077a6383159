using Microsoft.Playwright;

namespace Sluice.Web.Tests;

/// <summary>The machine's Chromium, started once for all tests of a class; tests are skipped where there is none.</summary>
public sealed class Chromium : IAsyncLifetime
{
    private static readonly string[] Places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public IBrowser Browser
    {
        get
        {
            if (_browser is null)
                Assert.Skip("needs Chromium: apt-get install chromium, or its path in SLUICE_CHROMIUM");
            return _browser;
        }
    }

    public async ValueTask InitializeAsync()
    {
        string? path = Environment.GetEnvironmentVariable("SLUICE_CHROMIUM") ?? Places.FirstOrDefault(File.Exists);
        if (string.IsNullOrEmpty(path)) // a variable without a value switches these tests off
            return;
        Assertions.SetDefaultExpectTimeout(20_000); // the machine may be busy
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new() { ExecutablePath = path, Args = ["--no-sandbox"] });
    }

    public async ValueTask DisposeAsync()
    {
        if (_browser is not null)
            await _browser.DisposeAsync();
        _playwright?.Dispose();
    }
}
