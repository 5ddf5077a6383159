using Microsoft.AspNetCore.Http;
using Sluice.Chat;
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
        ChatRequest chat = ChatFields.AddEffort(api, fields, "reasoning_effort", ChatFields.Read(fields));
        (bool isStream, bool withUsage) = ApiContext.ReadStream(fields);
        int count = fields.Integer("n", 1, 128) ?? 1;
        api.CheckQueueHolds("n", count);
        int? maxTokens = fields.Integer("max_completion_tokens", 1), oldMaxTokens = fields.Integer("max_tokens", 1);
        bool withLogProbs = fields.Flag("logprobs") ?? false;
        int? top = fields.Integer("top_logprobs", 0, 20);
        if (top is not null && !withLogProbs)
            throw ApiException.Bad("top_logprobs", "top_logprobs is only allowed where logprobs is true.");
        chat = chat with
        {
            Generation = SamplingFields.Read(
                fields, api.Vocabulary, maxTokens ?? oldMaxTokens, withLogProbs ? top ?? 0 : null, GrammarFields.Read(fields, api.Grammars)),
        };
        fields.CheckAllRead();

        PreparedChat prepared = ChatFields.Prepare(api, chat, context.RequestAborted);
        Request[] requests = [.. SamplingFields.Repeat(prepared.Request with { Adapter = adapter }, count)];
        AnswerReader[] readers = [.. requests.Select(_ => prepared.Reader(wholeCalls: !isStream))];
        IAsyncEnumerable<Piece> pieces = api.Generation.Start(context, Operation.Chat, requests, readers);
        string id = ApiContext.NewId("chatcmpl-");
        long created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        if (isStream)
            await StreamAsync(context, requests, pieces, withUsage, choices => new(id, "chat.completion.chunk", created, adapter ?? api.Model, choices, null));
        else
            await AnswerAsync(context, requests, pieces, choices => new(id, "chat.completion", created, adapter ?? api.Model, choices, null));
    }

    private async Task AnswerAsync(HttpContext context, Request[] requests, IAsyncEnumerable<Piece> pieces, Func<ChatChoice[], ChatReply> reply)
    {
        (ChatAnswer Answer, List<GeneratedToken> Tokens)[] outputs = [.. requests.Select(_ => (new ChatAnswer(), new List<GeneratedToken>()))];
        await foreach (Piece piece in pieces)
        {
            outputs[piece.Index].Tokens.Add(piece.Token);
            foreach (ChatDelta delta in piece.Deltas)
                outputs[piece.Index].Answer.Add(delta);
        }
        ChatChoice[] choices = [.. outputs.Select((output, i) => new ChatChoice(
            i, Message(output.Answer.Message), null, LogProbs(requests[i], output.Tokens), Name(output.Answer.End!.Finish)))];
        Usage usage = Count(requests, outputs.Select(output => output.Answer.End!));
        await Reply.JsonAsync(context, reply(choices) with { Usage = usage }, ApiJson.Default.ChatReply);
    }

    private async Task StreamAsync(
        HttpContext context, Request[] requests, IAsyncEnumerable<Piece> pieces, bool withUsage, Func<ChatChoice[], ChatReply> reply)
    {
        Reply.BeginEvents(context);
        bool[] begun = new bool[requests.Length];
        List<AnswerEnd> ends = [];
        await foreach ((int index, GeneratedToken token, IReadOnlyList<ChatDelta> deltas) in pieces)
        {
            if (!begun[index])
                await SendAsync(new ChatChoice(index, null, new ChatReplyDelta { Role = ChatFormat.Assistant, Content = "" }, null, null));
            begun[index] = true;
            ChatLogProbs? logProbs = LogProbs(requests[index], [token]);
            List<ChatReplyDelta> parts = [.. deltas.Where(delta => delta is not AnswerEnd).Select(Delta)];
            if (parts.Count == 0 && logProbs is { Content.Length: > 0 })
                parts.Add(new ChatReplyDelta { Content = "" });
            for (int i = 0; i < parts.Count; i++)
                await SendAsync(new ChatChoice(index, null, parts[i], i == 0 ? logProbs : null, null));
            if (deltas.LastOrDefault() is AnswerEnd end)
            {
                ends.Add(end);
                await SendAsync(new ChatChoice(index, null, new ChatReplyDelta(), null, Name(end.Finish)));
            }
        }
        if (withUsage)
            await Reply.EventAsync(context, reply([]) with { Usage = Count(requests, ends) }, ApiJson.Default.ChatReply);
        await Reply.EndEventsAsync(context);

        Task SendAsync(ChatChoice choice) => Reply.EventAsync(context, reply([choice]), ApiJson.Default.ChatReply);
    }

    private static ChatReplyMessage Message(ChatMessage message) => new(
        message.Role, message.Content, message.ReasoningContent,
        message.ToolCalls.Count == 0 ? null : [.. message.ToolCalls.Select(call => new ChatReplyCall(null, call.Id, "function", new(call.Name, call.Arguments)))]);

    private static ChatReplyDelta Delta(ChatDelta delta) => delta switch
    {
        ContentDelta content => new() { Content = content.Text },
        ReasoningDelta reasoning => new() { ReasoningContent = reasoning.Text },
        ToolCallStart call => new() { ToolCalls = [new(call.Index, call.Id, "function", new(call.Name, ""))] },
        ToolArgumentsDelta arguments => new() { ToolCalls = [new(arguments.Index, null, null, new(null, arguments.Text))] },
        _ => throw new ArgumentOutOfRangeException(nameof(delta)),
    };

    private static string Name(ChatFinish finish) => finish switch
    {
        ChatFinish.ToolCalls => "tool_calls",
        ChatFinish.Length => "length",
        _ => "stop",
    };

    /// <summary>The prompt counts once, however many answers it has.</summary>
    private Usage Count(Request[] requests, IEnumerable<AnswerEnd> ends)
    {
        int prompt = requests[0].Prompt.Count, generated = ends.Sum(end => end.GeneratedTokens);
        return new Usage(prompt, generated, prompt + generated)
        {
            CompletionTokensDetails = api.Chat.SeparatesReasoning ? new UsageDetails(ends.Sum(end => end.ReasoningTokens)) : null,
        };
    }

    /// <summary>The token that ends the text is none of the answer's.</summary>
    private ChatLogProbs? LogProbs(Request request, IEnumerable<GeneratedToken> tokens) => request.Sampling.LogProbs is null ? null
        : new ChatLogProbs([.. tokens.Where(token => token.Finish != FinishReason.EndOfText).Select(token =>
            Entry(token.Id, token.LogProbability) with { TopLogprobs = [.. token.TopLogProbabilities.Select(Entry)] })]);

    private ChatTokenLogProb Entry(SampledToken token) => Entry(token.Id, token.LogProbability);

    private ChatTokenLogProb Entry(int id, float logProbability) => new(
        api.Tokenizer.PieceText(id), SamplingFields.Finite(logProbability), [.. api.Tokenizer.Piece(id).ToArray().Select(b => (int)b)], null);
}
