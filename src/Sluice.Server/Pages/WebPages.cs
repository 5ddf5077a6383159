using Microsoft.AspNetCore.Http;

namespace Sluice.Server.Pages;

/// <summary>The web pages: each one file, embedded, which asks nothing of other servers.</summary>
internal static class WebPages
{
    public static async Task SendAsync(HttpContext context, string name)
    {
        context.Response.ContentType = "text/html; charset=utf-8";
        // Nothing but what the page brings itself: what a model writes can load and run nothing.
        context.Response.Headers.ContentSecurityPolicy =
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        using Stream page = typeof(WebPages).Assembly.GetManifestResourceStream(name)!;
        await page.CopyToAsync(context.Response.Body, context.RequestAborted);
    }
}
