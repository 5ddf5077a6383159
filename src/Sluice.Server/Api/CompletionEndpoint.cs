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
        string? adapter = api.CheckModel(fields);
        int[][] prompts = PromptField.Read(api, fields, "prompt");
        (bool isStream, bool withUsage) = ApiContext.ReadStream(fields);
        int count = fields.Integer("n", 1, 128) ?? 1;
        int best = fields.Integer("best_of", 1, 128) ?? count;
        if (best < count || (isStream && best != count))
            throw fields.Wrong("best_of", "at least n, and n where stream is true");
        api.CheckQueueHolds(best > count ? "best_of" : "n", best);
        api.CheckQueueHolds("prompt", prompts.Length * best);
        bool echo = fields.Flag("echo") ?? false;
        int maxTokens = fields.Integer("max_tokens", 0) ?? DefaultMaxTokens;
        if (maxTokens == 0 && !echo)
            throw fields.Wrong("max_tokens", "at least 1 where echo is not true");
        int? logProbs = fields.Integer("logprobs", 0, 20);
        Request template = SamplingFields.Read(
            fields, api.Vocabulary, Math.Max(maxTokens, 1), logProbs ?? (best > count ? 0 : null), GrammarFields.Read(fields, api.Grammars)) with
        {
            PromptLogProbs = echo ? logProbs : null,
        };
        fields.CheckAllRead();

        Request[] requests = [.. prompts.SelectMany(prompt => SamplingFields.Repeat(template with { Prompt = prompt, Adapter = adapter }, best))];
        int promptTokens = prompts.Sum(prompt => prompt.Length);
        string id = ApiContext.NewId("cmpl-");
        long created = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        if (isStream)
        {
            await StreamAsync();
            return;
        }

        Output[] outputs = await api.Generation.RunAsync(context, Operation.Completion, requests);
        Usage usage = Count(outputs.Sum(output => output.Tokens.Count));
        CompletionChoice[] choices = [.. outputs.Select((output, i) => (Output: output, Choice: Choice(i, output))).Chunk(best).SelectMany(all => best == count
            ? all : all.OrderByDescending(one => one.Output.Tokens.Average(token => token.LogProbability)).Take(count)).Select((one, i) => one.Choice with { Index = i })];
        await Reply.JsonAsync(context, Make(choices) with { Usage = usage }, ApiJson.Default.CompletionReply);

        CompletionReply Make(CompletionChoice[] choices) => new(id, "text_completion", created, adapter ?? api.Model, choices, null);

        // What asks for no token gets one all the same: it is not told.
        Usage Count(int generated) => new(promptTokens, maxTokens == 0 ? 0 : generated, promptTokens + (maxTokens == 0 ? 0 : generated));

        string Echo(int index) => echo ? api.Tokenizer.Decode([.. requests[index].Prompt]) : "";

        CompletionScores? Scores() => logProbs is { } top ? new CompletionScores(api.Tokenizer, top, echo) : null;

        CompletionChoice Choice(int index, Output output) => new(
            index,
            Echo(index) + (maxTokens == 0 ? "" : output.Text),
            Scores()?.Write([.. PromptOf(index, output.Tokens[0]), .. GeneratedOf(output.Tokens)]),
            SamplingFields.Name(output.Finish));

        IEnumerable<ScoredToken> PromptOf(int index, GeneratedToken first) =>
            first.Prompt is { } scores ? CompletionScores.Prompt(requests[index].Prompt, scores) : [];

        IEnumerable<ScoredToken> GeneratedOf(IEnumerable<GeneratedToken> tokens) => maxTokens == 0 ? [] : CompletionScores.Generated(tokens);

        async Task StreamAsync()
        {
            IAsyncEnumerable<Piece> pieces = api.Generation.Start(context, Operation.Completion, requests);
            Reply.BeginEvents(context);
            CompletionScores?[] scores = [.. requests.Select(_ => Scores())];
            bool[] begun = new bool[requests.Length];
            int generated = 0;
            await foreach ((int index, GeneratedToken token, _) in pieces)
            {
                generated++;
                if (echo && !begun[index])
                    await SendAsync(new CompletionChoice(index, Echo(index), scores[index]?.Write(PromptOf(index, token)), null));
                begun[index] = true;
                CompletionLogProbs? chances = scores[index]?.Write(GeneratedOf([token]));
                if (token.Text.Length > 0 || token.Finish is not null || chances is { Tokens.Length: > 0 })
                    await SendAsync(new CompletionChoice(index, maxTokens == 0 ? "" : token.Text, chances, SamplingFields.Name(token.Finish)));
            }
            if (withUsage)
                await Reply.EventAsync(context, Make([]) with { Usage = Count(generated) }, ApiJson.Default.CompletionReply);
            await Reply.EndEventsAsync(context);
        }

        Task SendAsync(CompletionChoice choice) => Reply.EventAsync(context, Make([choice]), ApiJson.Default.CompletionReply);
    }
}
