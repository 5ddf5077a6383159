using Sluice.Server.Api;

namespace Sluice.Server.Reference;

/// <summary>What the server tells of itself.</summary>
internal static class State
{
    private const string ModelTag = "Models", Tag = "State", PageTag = "Pages";

    public static Description Models => new(ModelTag, "The model that is served.") { Reply = ApiJson.Default.ModelList };

    public static Description Model => new(ModelTag, "A model by its name.")
    {
        Reply = ApiJson.Default.ModelEntry,
        Parameters = new() { ["id"] = "The model's name." },
    };

    public static Description Health => new(Tag, "Whether the engine lives.") { Reply = ApiJson.Default.StateReply, IsProbe = true, IsOpen = true };

    public static Description Ready => new(Tag, "Whether requests are welcome: not while the server stops.") { Reply = ApiJson.Default.StateReply, IsProbe = true, IsOpen = true };

    public static Description Version => new(Tag, "The server's version.") { Reply = ApiJson.Default.VersionReply, IsOpen = true };

    public static Description Load => new(Tag, "What the server does right now, in numbers.") { Reply = ApiJson.Default.LoadReply };

    public static Description Metrics => new(Tag, "Metrics for Prometheus, under vLLM's names and Sluice's own.") { MediaType = "text/plain" };

    public static Description Document => new(PageTag, "This document.") { IsOpen = true };

    public static Description Page(string summary) => new(PageTag, summary) { MediaType = "text/html", IsOpen = true };
}
