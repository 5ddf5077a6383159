using Microsoft.AspNetCore.Http;
using Sluice.Sampling;
using Sluice.Server.Generation;
using Sluice.Server.Http;
using Sluice.Tokenizers.Templates;

namespace Sluice.Server.Api;

/// <summary>POST /v1/chat/completions.</summary>
internal sealed class ChatEndpoint(ApiContext api)
{
    public async Task InvokeAsync(HttpContext context)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        string? adapter = api.CheckModel(fields);
        ChatMessage[] messages = Messages.Of(fields);
        Unsupported.Tools(fields);
        Unsupported.ResponseFormat(fields);
        (bool isStream, bool withUsage) = ApiContext.ReadStream(fields);
        int count = fields.Integer("n", 1, 128) ?? 1;
        int? maxTokens = fields.Integer("max_completion_tokens", 1), oldMaxTokens = fields.Integer("max_tokens", 1);
        bool withLogProbs = fields.Flag("logprobs") ?? false;
        int? top = fields.Integer("top_logprobs", 0, 20);
        if (top is not null && !withLogProbs)
            throw ApiException.Bad("top_logprobs", "top_logprobs is only allowed where logprobs is true.");
        Request template = SamplingFields.Read(fields, api.Vocabulary, maxTokens ?? oldMaxTokens, withLogProbs ? top ?? 0 : null);
        IEnumerable<KeyValuePair<string, object?>>? variables = fields.Any("chat_template_kwargs") is not { } more ? null
            : more.ValueKind == System.Text.Json.JsonValueKind.Object
                ? [.. more.EnumerateObject().Select(variable => KeyValuePair.Create(variable.Name, (object?)variable.Value))]
                : throw fields.Wrong("chat_template_kwargs", "an object");
        fields.CheckAllRead();

        int[] prompt = api.Prompt.Encode(messages, more: variables, cancellation: context.RequestAborted);
        Request[] requests = [.. SamplingFields.Repeat(template with { Prompt = prompt, Adapter = adapter }, count)];
        string id = ApiContext.NewId("chatcmpl-");
        long created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        if (isStream)
            await StreamAsync(context, requests, withUsage, choices => new(id, "chat.completion.chunk", created, adapter ?? api.Model, choices, null));
        else
            await AnswerAsync(context, requests, choices => new(id, "chat.completion", created, adapter ?? api.Model, choices, null));
    }

    private async Task AnswerAsync(HttpContext context, Request[] requests, Func<ChatChoice[], ChatReply> reply)
    {
        Output[] outputs = await api.Generation.RunAsync(requests, context.RequestAborted);
        ChatChoice[] choices = [.. outputs.Select((output, i) => new ChatChoice(
            i, new ChatReplyMessage("assistant", output.Text), null, LogProbs(requests[i], output.Tokens), SamplingFields.Name(output.Finish)))];
        Usage usage = Count(requests, outputs.Sum(output => output.Tokens.Count));
        await Reply.JsonAsync(context, reply(choices) with { Usage = usage }, ApiJson.Default.ChatReply);
    }

    private async Task StreamAsync(HttpContext context, Request[] requests, bool withUsage, Func<ChatChoice[], ChatReply> reply)
    {
        IAsyncEnumerable<(int Index, GeneratedToken Token)> tokens = api.Generation.Start(requests, context.RequestAborted);
        Reply.BeginEvents(context);
        bool[] begun = new bool[requests.Length];
        int count = 0;
        await foreach ((int index, GeneratedToken token) in tokens)
        {
            count++;
            if (!begun[index])
                await SendAsync(new ChatChoice(index, null, new ChatReplyMessage("assistant", ""), null, null));
            begun[index] = true;
            ChatLogProbs? logProbs = LogProbs(requests[index], [token]);
            if (token.Text.Length > 0 || logProbs is { Content.Length: > 0 })
                await SendAsync(new ChatChoice(index, null, new ChatReplyMessage(null, token.Text), logProbs, null));
            if (token.Finish is not null)
                await SendAsync(new ChatChoice(index, null, new ChatReplyMessage(null, null), null, SamplingFields.Name(token.Finish)));
        }
        if (withUsage)
            await Reply.EventAsync(context, reply([]) with { Usage = Count(requests, count) }, ApiJson.Default.ChatReply);
        await Reply.EndEventsAsync(context);

        Task SendAsync(ChatChoice choice) => Reply.EventAsync(context, reply([choice]), ApiJson.Default.ChatReply);
    }

    /// <summary>The prompt counts once, however many answers it has.</summary>
    private static Usage Count(Request[] requests, int generated) =>
        new(requests[0].Prompt.Count, generated, requests[0].Prompt.Count + generated);

    /// <summary>The token that ends the text is none of the answer's.</summary>
    private ChatLogProbs? LogProbs(Request request, IEnumerable<GeneratedToken> tokens) => request.Sampling.LogProbs is null ? null
        : new ChatLogProbs([.. tokens.Where(token => token.Finish != FinishReason.EndOfText).Select(token =>
            Entry(token.Id, token.LogProbability) with { TopLogprobs = [.. token.TopLogProbabilities.Select(Entry)] })]);

    private ChatTokenLogProb Entry(SampledToken token) => Entry(token.Id, token.LogProbability);

    // JSON has no infinity: OpenAI writes -9999 for what cannot come.
    private ChatTokenLogProb Entry(int id, float logProbability) => new(
        api.Tokenizer.PieceText(id), Math.Max(logProbability, -9999), [.. api.Tokenizer.Piece(id).ToArray().Select(b => (int)b)], null);
}
