using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Sluice.Server.Pages;

/// <summary>The web pages: each one file, embedded, which asks nothing of other servers.</summary>
internal static class WebPages
{
    public static Task SendAsync(HttpContext context, string name)
    {
        using Stream stream = typeof(WebPages).Assembly.GetManifestResourceStream(name)!;
        using StreamReader reader = new(stream);
        string page = reader.ReadToEnd().ReplaceLineEndings("\n");
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.Headers.CacheControl = "no-cache";
        // Nothing runs but the page's own script, and nothing loads: whatever a model writes.
        context.Response.Headers.ContentSecurityPolicy =
            $"default-src 'none'; script-src '{Hash(page)}'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        context.Response.Headers["Referrer-Policy"] = "no-referrer";
        return context.Response.WriteAsync(page, context.RequestAborted);
    }

    /// <summary>The hash by which a policy allows the page's script.</summary>
    private static string Hash(string page)
    {
        const string Begin = "<script>", End = "</script>";
        int from = page.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length, to = page.LastIndexOf(End, StringComparison.Ordinal);
        return "sha256-" + Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(page[from..to])));
    }
}
