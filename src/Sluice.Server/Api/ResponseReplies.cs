using System.Text.Json;
using System.Text.Json.Serialization;

namespace Sluice.Server.Api;

// What the Responses API answers. Items, parts and events are of several kinds: fields that a kind does not have are null and not written.

internal sealed record ResponseReply
{
    public required string Id { get; init; }

    public string Object => "response";

    public required long CreatedAt { get; init; }

    public required string Status { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ResponseError? Error { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ResponseIncomplete? IncompleteDetails { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? Instructions { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public int? MaxOutputTokens { get; init; }

    public JsonElement? Metadata { get; init; }

    public required string Model { get; init; }

    public ResponseItem[] Output { get; init; } = [];

    public bool ParallelToolCalls { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public string? PreviousResponseId { get; init; }

    public bool Store { get; init; }

    public float Temperature { get; init; }

    public JsonElement Text { get; init; }

    public JsonElement ToolChoice { get; init; }

    public JsonElement Tools { get; init; }

    public float TopP { get; init; }

    public string Truncation => "disabled";

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public ResponseUsage? Usage { get; init; }
}

internal sealed record ResponseError(string Code, string Message);

internal sealed record ResponseIncomplete(string Reason);

internal sealed record ResponseUsage(
    int InputTokens, ResponseInputDetails InputTokensDetails, int OutputTokens, UsageDetails OutputTokensDetails, int TotalTokens);

internal sealed record ResponseInputDetails(int CachedTokens);

internal sealed record ResponseItem
{
    public required string Type { get; init; }

    public required string Id { get; init; }

    public required string Status { get; init; }

    public string? Role { get; init; }

    public ResponsePart[]? Content { get; init; }

    public ResponsePart[]? Summary { get; init; }

    public string? CallId { get; init; }

    public string? Name { get; init; }

    public string? Arguments { get; init; }
}

internal sealed record ResponsePart(string Type, string Text)
{
    public int[]? Annotations { get; init; }

    public int[]? Logprobs { get; init; }
}

internal sealed record ResponseEvent
{
    public required string Type { get; init; }

    public int SequenceNumber { get; init; }

    public ResponseReply? Response { get; init; }

    public int? OutputIndex { get; init; }

    public string? ItemId { get; init; }

    public int? ContentIndex { get; init; }

    public ResponseItem? Item { get; init; }

    public ResponsePart? Part { get; init; }

    public string? Delta { get; init; }

    public string? Text { get; init; }

    public string? Name { get; init; }

    public string? Arguments { get; init; }

    public int[]? Logprobs { get; init; }
}

internal sealed record ResponseDeleted(string Id, string Object, bool Deleted);
