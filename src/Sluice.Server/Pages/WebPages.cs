using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Sluice.Server.Http;

namespace Sluice.Server.Pages;

/// <summary>The web pages: each one file, embedded, which asks nothing of other servers. What they have in common is put in once.</summary>
internal static class WebPages
{
    private const string Shared = "shared.html";

    private static readonly ConcurrentDictionary<string, Page> Pages = new(StringComparer.Ordinal);

    public static Task SendAsync(HttpContext context, string name)
    {
        Page page = Pages.GetOrAdd(name, Make);
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers.ContentSecurityPolicy = page.Policy;
        context.Response.Headers.XContentTypeOptions = "nosniff";
        context.Response.Headers["Referrer-Policy"] = "no-referrer";
        return Reply.BytesAsync(context, page.Html, "text/html; charset=utf-8");
    }

    private static Page Make(string name)
    {
        string page = Read(name).Replace($"<!-- {Shared} -->\n", Read(Shared), StringComparison.Ordinal);
        // Nothing runs but the page's own script, and nothing loads: whatever a model writes.
        return new Page(
            Encoding.UTF8.GetBytes(page),
            $"default-src 'none'; script-src '{Hash(page)}'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    }

    private static string Read(string name)
    {
        using StreamReader reader = new(typeof(WebPages).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }

    /// <summary>The hash by which a policy allows the page's script.</summary>
    private static string Hash(string page)
    {
        const string Begin = "<script>", End = "</script>";
        int from = page.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length, to = page.LastIndexOf(End, StringComparison.Ordinal);
        return "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(page[from..to])));
    }

    /// <param name="Html">In UTF-8.</param>
    /// <param name="Policy">What it may do (Content-Security-Policy).</param>
    private sealed record Page(byte[] Html, string Policy);
}
