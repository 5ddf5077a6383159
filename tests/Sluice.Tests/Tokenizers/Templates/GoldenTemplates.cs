using System.Text.Json;
using Sluice.TestData;
using Sluice.Tokenizers.Templates;

namespace Sluice.Tests.Tokenizers.Templates;

/// <summary>Published chat templates, and what Jinja2 makes of them (shared/golden/chat).</summary>
internal static class GoldenTemplates
{
    /// <summary>The day on which Jinja2 rendered them.</summary>
    public static TemplateOptions Options { get; } = new() { Clock = new FixedClock(new DateTime(2024, 7, 26)) };

    /// <summary>The file; skips the test where it is absent.</summary>
    public static JsonElement Read() => JsonElement.Parse(File.ReadAllBytes(SharedFiles.Shared("golden", "chat", "templates.json")));

    /// <summary>A clock that stands.</summary>
    internal sealed class FixedClock(DateTime time) : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(time, TimeSpan.Zero);
    }
}
