using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Sluice.Server.Generation;
using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>POST /v1/completions.</summary>
internal sealed class CompletionEndpoint(ApiContext api)
{
    private const int DefaultMaxTokens = 16;

    public async Task InvokeAsync(HttpContext context)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        api.CheckModel(fields);
        int[][] prompts = ReadPrompts(fields);
        (bool isStream, bool withUsage) = ApiContext.ReadStream(fields);
        int count = fields.Integer("n", 1, 128) ?? 1;
        int best = fields.Integer("best_of", 1, 128) ?? count;
        if (best < count || (isStream && best != count))
            throw fields.Wrong("best_of", "at least n, and n where stream is true");
        bool echo = fields.Flag("echo") ?? false;
        int? logProbs = fields.Integer("logprobs", 0, 20);
        if (echo && logProbs is not null)
            throw ApiException.Unsupported("echo", "echo together with logprobs is not supported: the prompt's tokens have none.");
        Request template = SamplingFields.Read(
            fields, api.Vocabulary, fields.Integer("max_tokens", 1) ?? DefaultMaxTokens, logProbs ?? (best > count ? 0 : null),
            GrammarFields.Read(fields, api.Grammars));
        fields.CheckAllRead();

        Request[] requests = [.. prompts.SelectMany(prompt => SamplingFields.Repeat(template with { Prompt = prompt }, best))];
        int promptTokens = prompts.Sum(prompt => prompt.Length);
        string Echo(int index) => echo ? api.Tokenizer.Decode(requests[index].Prompt.ToArray()) : "";
        string id = ApiContext.NewId("cmpl-");
        long created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        if (isStream)
        {
            await StreamAsync();
            return;
        }

        Output[] outputs = await api.Generation.RunAsync(requests, context.RequestAborted);
        Usage usage = Count(outputs.Sum(output => output.Tokens.Count));
        (Output Output, string Echo)[] chosen = [.. outputs.Select((output, i) => (output, Echo(i))).Chunk(best).SelectMany(all => best == count
            ? all : all.OrderByDescending(one => one.output.Tokens.Average(token => token.LogProbability)).Take(count))];
        CompletionChoice[] choices = [.. chosen.Select((one, i) => new CompletionChoice(
            i, one.Echo + one.Output.Text, LogProbs(logProbs, one.Output.Tokens, 0), SamplingFields.Name(one.Output.Finish)))];
        await Reply.JsonAsync(context, Make(choices) with { Usage = usage }, ApiJson.Default.CompletionReply);

        CompletionReply Make(CompletionChoice[] choices) => new(id, "text_completion", created, api.Model, choices, null);

        Usage Count(int generated) => new(promptTokens, generated, promptTokens + generated);

        async Task StreamAsync()
        {
            IAsyncEnumerable<Piece> pieces = api.Generation.Start(requests, context.RequestAborted);
            Reply.BeginEvents(context);
            int[] lengths = new int[requests.Length];
            int generated = 0;
            for (int i = 0; echo && i < requests.Length; i++)
                await SendAsync(new CompletionChoice(i, Echo(i), null, null));
            await foreach ((int index, GeneratedToken token, _) in pieces)
            {
                generated++;
                CompletionLogProbs? chances = LogProbs(logProbs, [token], lengths[index]);
                lengths[index] += api.Tokenizer.PieceText(token.Id).Length;
                if (token.Text.Length > 0 || token.Finish is not null || chances is { Tokens.Length: > 0 })
                    await SendAsync(new CompletionChoice(index, token.Text, chances, SamplingFields.Name(token.Finish)));
            }
            if (withUsage)
                await Reply.EventAsync(context, Make([]) with { Usage = Count(generated) }, ApiJson.Default.CompletionReply);
            await Reply.EndEventsAsync(context);
        }

        Task SendAsync(CompletionChoice choice) => Reply.EventAsync(context, Make([choice]), ApiJson.Default.CompletionReply);
    }

    /// <summary>A text, some tokens, or an array of either.</summary>
    private int[][] ReadPrompts(RequestFields fields)
    {
        if (fields.Any("prompt") is not { } prompt)
            throw fields.Missing("prompt");
        JsonElement[] items = prompt.ValueKind == JsonValueKind.Array ? [.. prompt.EnumerateArray()] : [];
        if (prompt.ValueKind == JsonValueKind.String || items.All(item => item.ValueKind == JsonValueKind.String))
        {
            int[][] texts = [.. fields.Texts("prompt").Select(text => api.Tokenizer.Encode(text))];
            return texts.Length > 0 ? texts : throw Wrong();
        }
        return items[0].ValueKind == JsonValueKind.Number ? [Tokens(items)] : [.. items.Select(item =>
            item.ValueKind == JsonValueKind.Array ? Tokens(item.EnumerateArray()) : throw Wrong())];

        int[] Tokens(IEnumerable<JsonElement> ids) => [.. ids.Select(id =>
            id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out int token) && (uint)token < (uint)api.Vocabulary ? token : throw Wrong())];

        ApiException Wrong() => fields.Wrong("prompt", $"a text, an array of token ids below {api.Vocabulary}, or an array of these");
    }

    private CompletionLogProbs? LogProbs(int? asked, IEnumerable<GeneratedToken> tokens, int offset)
    {
        if (asked is null)
            return null;
        GeneratedToken[] shown = [.. tokens.Where(token => token.Finish != FinishReason.EndOfText)];
        string[] texts = [.. shown.Select(token => api.Tokenizer.PieceText(token.Id))];
        int[] offsets = new int[shown.Length];
        for (int i = 0; i < shown.Length; i++)
        {
            offsets[i] = offset;
            offset += texts[i].Length;
        }
        return new CompletionLogProbs(
            texts,
            [.. shown.Select(token => Math.Max(token.LogProbability, -9999))],
            asked == 0 ? null : [.. shown.Select(token => token.TopLogProbabilities
                .GroupBy(top => api.Tokenizer.PieceText(top.Id)) // bytes of different characters look the same
                .ToDictionary(same => same.Key, same => Math.Max(same.Max(top => top.LogProbability), -9999)))],
            offsets);
    }
}
