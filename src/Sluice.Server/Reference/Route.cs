using System.Text.Json.Serialization.Metadata;

namespace Sluice.Server.Reference;

/// <summary>A route, as the OpenAPI document tells of it.</summary>
/// <param name="Method">In lower case.</param>
/// <param name="Path">With its parameters in braces.</param>
/// <param name="Description">What it does.</param>
internal sealed record Route(string Method, string Path, Description Description);

/// <summary>What an endpoint does, takes and answers.</summary>
/// <param name="Tag">The group that it belongs to.</param>
/// <param name="Summary">One sentence.</param>
internal sealed record Description(string Tag, string Summary)
{
    /// <summary>The fields of the JSON object that is sent; null where nothing is.</summary>
    public Field[]? Body { get; init; }

    /// <summary>What the parameters in the path mean.</summary>
    public Dictionary<string, string> Parameters { get; init; } = [];

    /// <summary>The JSON that it answers with; null for another type.</summary>
    public JsonTypeInfo? Reply { get; init; }

    /// <summary>The media type of its answer.</summary>
    public string MediaType { get; init; } = "application/json";

    /// <summary>The JSON of each server-sent event, where <c>stream</c> is true.</summary>
    public JsonTypeInfo? Event { get; init; }

    /// <summary>Whether it needs no API key: pages without data, and what load balancers ask.</summary>
    public bool IsOpen { get; init; }

    /// <summary>Whether 503 is one of its answers, of the same form.</summary>
    public bool IsProbe { get; init; }

    /// <summary>A body to try it with, as JSON.</summary>
    public string? Example { get; init; }

    /// <summary>The same with the official OpenAI client, where it knows the endpoint.</summary>
    public string? CSharp { get; init; }
}
