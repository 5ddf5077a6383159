using System.Text.Json.Serialization;

namespace Sluice.Server.Api;

// What the server answers, with the names of OpenAI's API (written in snake case by ApiJson).

internal sealed record ErrorReply(ErrorDetail Error);

internal sealed record ErrorDetail(
    string Message,
    string Type,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Param,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Code);

internal sealed record Usage(int PromptTokens, int CompletionTokens, int TotalTokens)
{
    public UsageDetails? CompletionTokensDetails { get; init; }
}

internal sealed record UsageDetails(int ReasoningTokens);

internal sealed record ModelList(string Object, ModelEntry[] Data);

internal sealed record ModelEntry(string Id, string Object, long Created, string OwnedBy, int MaxModelLen, ModelMeta? Meta, string? Parent);

/// <summary>What llama.cpp's server tells besides, under its names.</summary>
internal sealed record ModelMeta(int NVocab);

internal sealed record TokenizeReply(int Count, int MaxModelLen, int[] Tokens, string[]? TokenStrs);

internal sealed record DetokenizeReply(string Prompt);

internal sealed record ApplyTemplateReply(string Prompt);

internal sealed record StateReply(string Status);

internal sealed record VersionReply(string Version);

internal sealed record LoadReply(
    int Running, int Waiting, double KvUsage, int KvBlocks, int KvBlocksFree, long PromptTokens, long GenerationTokens, long Requests,
    double? TimeToFirstToken, double? InterTokenLatency, double? EndToEnd, double UptimeSeconds, string Model);

// Chat

internal sealed record ChatReply(string Id, string Object, long Created, string Model, ChatChoice[] Choices, Usage? Usage);

internal sealed record ChatChoice(
    int Index,
    ChatReplyMessage? Message,
    ChatReplyDelta? Delta,
    ChatLogProbs? Logprobs,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? FinishReason);

internal sealed record ChatReplyMessage(
    string Role,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Content,
    string? ReasoningContent,
    ChatReplyCall[]? ToolCalls);

internal sealed record ChatReplyDelta
{
    public string? Role { get; init; }

    public string? Content { get; init; }

    public string? ReasoningContent { get; init; }

    public ChatReplyCall[]? ToolCalls { get; init; }
}

internal sealed record ChatReplyCall(int? Index, string? Id, string? Type, ChatReplyFunction Function);

internal sealed record ChatReplyFunction(string? Name, string Arguments);

internal sealed record ChatLogProbs(ChatTokenLogProb[] Content);

internal sealed record ChatTokenLogProb(string Token, float Logprob, int[] Bytes, ChatTokenLogProb[]? TopLogprobs);

// Completions

internal sealed record CompletionReply(string Id, string Object, long Created, string Model, CompletionChoice[] Choices, Usage? Usage);

internal sealed record CompletionChoice(
    int Index,
    string Text,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] CompletionLogProbs? Logprobs,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? FinishReason);

internal sealed record CompletionLogProbs(
    string[] Tokens, float?[] TokenLogprobs, Dictionary<string, float>?[]? TopLogprobs, int[] TextOffset);

// Embeddings: as arrays of numbers, or as base64

internal sealed record EmbeddingReply<T>(string Object, EmbeddingEntry<T>[] Data, string Model, EmbeddingUsage Usage);

internal sealed record EmbeddingEntry<T>(string Object, int Index, T Embedding);

internal sealed record EmbeddingUsage(int PromptTokens, int TotalTokens);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(System.Text.Json.Nodes.JsonObject))]
[JsonSerializable(typeof(ErrorReply))]
[JsonSerializable(typeof(ModelList))]
[JsonSerializable(typeof(ModelEntry))]
[JsonSerializable(typeof(TokenizeReply))]
[JsonSerializable(typeof(DetokenizeReply))]
[JsonSerializable(typeof(ApplyTemplateReply))]
[JsonSerializable(typeof(StateReply))]
[JsonSerializable(typeof(VersionReply))]
[JsonSerializable(typeof(LoadReply))]
[JsonSerializable(typeof(ChatReply))]
[JsonSerializable(typeof(CompletionReply))]
[JsonSerializable(typeof(ResponseReply))]
[JsonSerializable(typeof(ResponseEvent))]
[JsonSerializable(typeof(ResponseDeleted))]
[JsonSerializable(typeof(EmbeddingReply<float[]>))]
[JsonSerializable(typeof(EmbeddingReply<string>))]
internal sealed partial class ApiJson : JsonSerializerContext;
