using System.Globalization;
using System.Text.Json;
using Sluice.Grammars;
using Sluice.Sampling;
using Sluice.Server.Generation;
using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>The fields that chats and completions have in common: how tokens are chosen and when to end.</summary>
internal static class SamplingFields
{
    private const int MaxStops = 16;

    /// <summary>A request without its prompt. OpenAI's defaults: the model's own distribution.</summary>
    public static Request Read(RequestFields fields, int vocabulary, int? maxTokens, int? logProbs, Grammar? grammar)
    {
        IReadOnlyList<string> stop = fields.Texts("stop");
        if (stop.Count > MaxStops || stop.Any(text => text.Length == 0))
            throw fields.Wrong("stop", $"up to {MaxStops} texts that are not empty");
        _ = fields.Text("user"); // for the provider's own records; there are none
        int topK = fields.Integer("top_k", -1) ?? 0;
        return new Request
        {
            Prompt = [],
            MaxTokens = maxTokens,
            Stop = stop,
            Grammar = grammar,
            IgnoreEnd = fields.Flag("ignore_eos") ?? false,
            Priority = -(fields.Integer("priority", -1_000_000) ?? 0), // as for vLLM's clients, a lower number is more urgent
            Sampling = new SamplingOptions
            {
                Temperature = fields.Number("temperature", 0, 100) ?? 1,
                TopP = fields.Number("top_p", 0, 1) ?? 1,
                TopK = Math.Max(topK, 0),
                MinP = fields.Number("min_p", 0, 1) ?? 0,
                Typical = fields.Number("typical_p", 0, 1) ?? 1,
                RepetitionPenalty = fields.Number("repetition_penalty", 0.01f, 100) ?? 1,
                PresencePenalty = fields.Number("presence_penalty", -2, 2) ?? 0,
                FrequencyPenalty = fields.Number("frequency_penalty", -2, 2) ?? 0,
                PenaltyWindow = -1,
                PenalizePrompt = false,
                Seed = fields.Long("seed") is { } seed ? (ulong)seed : null,
                LogitBias = ReadBias(fields, vocabulary),
                LogProbs = logProbs,
            },
        };
    }

    /// <summary>Several requests for the same prompt: each with a seed of its own, if there is one.</summary>
    public static IEnumerable<Request> Repeat(Request request, int count) =>
        Enumerable.Range(0, count).Select(i => request.Sampling.Seed is { } seed
            ? request with { Sampling = request.Sampling with { Seed = unchecked(seed + (ulong)i) } }
            : request);

    public static string? Name(FinishReason? reason) => reason is { } known ? FinishReasons.Name(known) : null;

    /// <summary>A log-probability as JSON can have it, which has no infinity: OpenAI writes -9999 for what cannot come.</summary>
    public static float Finite(float logProbability) => Math.Max(logProbability, -9999);

    private static Dictionary<int, float>? ReadBias(RequestFields fields, int vocabulary)
    {
        if (fields.Any("logit_bias") is not { } map)
            return null;
        if (map.ValueKind != JsonValueKind.Object)
            throw fields.Wrong("logit_bias", "an object");
        Dictionary<int, float> bias = [];
        foreach (JsonProperty entry in map.EnumerateObject())
        {
            if (!int.TryParse(entry.Name, NumberStyles.None, CultureInfo.InvariantCulture, out int token) || token >= vocabulary
                || entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetSingle(out float value) || value is < -100 or > 100)
            {
                throw fields.Wrong("logit_bias", $"an object of token ids below {vocabulary} and numbers from -100 to 100");
            }
            bias[token] = value <= -100 ? float.NegativeInfinity : value;
        }
        return bias;
    }
}
