using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Sluice.Chat;
using Sluice.Grammars;
using Sluice.Server.Generation;
using Sluice.Server.Http;
using Sluice.Tokenizers.Templates;

namespace Sluice.Server.Api;

/// <summary>POST /v1/responses; GET and DELETE /v1/responses/{id}.</summary>
internal sealed class ResponsesEndpoint(ApiContext api)
{
    private static readonly JsonElement Auto = JsonElement.Parse("\"auto\""), None = JsonElement.Parse("[]"), Nothing = JsonElement.Parse("{}");
    private static readonly JsonElement PlainText = JsonElement.Parse("""{"format":{"type":"text"}}""");

    private readonly ResponseStore _store = new(api.Generation.Options.ResponseMemory);

    public async Task CreateAsync(HttpContext context)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        string? adapter = api.CheckModel(fields);
        IReadOnlyList<ChatMessage> messages = ResponseInput.Read(fields, Previous(fields));
        string? instructions = fields.Text("instructions");
        ChatRequest chat = ToolFields.Read(fields, new ChatRequest { Messages = ChatInstructions.Add(messages, instructions) }, isFlat: true);
        if (fields.Object("reasoning") is { } reasoning)
        {
            chat = ChatFields.AddEffort(api, reasoning, "effort", chat);
            reasoning.CheckAllRead();
        }
        Grammar? grammar = null;
        if (fields.Object("text") is { } text)
        {
            grammar = GrammarFields.ReadFormat(text.Object("format"), api.Grammars, isFlat: true);
            text.CheckAllRead();
        }
        CheckConstant(fields);
        bool isStream = fields.Flag("stream") ?? false;
        int? maxTokens = fields.Integer("max_output_tokens", 1);
        chat = chat with { Generation = SamplingFields.Read(fields, api.Vocabulary, maxTokens, null, grammar) };
        ResponseReply begun = new()
        {
            Id = ApiContext.NewId("resp_"),
            CreatedAt = DateTimeOffset.UtcNow.ToUnixTimeSeconds(),
            Status = "in_progress",
            Instructions = instructions,
            MaxOutputTokens = maxTokens,
            Metadata = ReadMetadata(fields),
            Model = adapter ?? api.Model,
            ParallelToolCalls = chat.ParallelToolCalls,
            PreviousResponseId = fields.Text("previous_response_id"),
            Store = fields.Flag("store") ?? true,
            Temperature = chat.Generation.Sampling.Temperature,
            Text = fields.Any("text") ?? PlainText,
            ToolChoice = fields.Any("tool_choice") ?? Auto,
            Tools = fields.Any("tools") ?? None,
            TopP = chat.Generation.Sampling.TopP,
        };
        fields.CheckAllRead();

        PreparedChat prepared = ChatFields.Prepare(api, chat, context.RequestAborted);
        IAsyncEnumerable<Piece> pieces = api.Generation.Start(
            context, Operation.Response, [prepared.Request with { Adapter = adapter }], [prepared.Reader(wholeCalls: !isStream)]);
        if (isStream)
        {
            Reply.BeginEvents(context);
            ResponseWriter writer = new(told => Reply.EventAsync(context, told, ApiJson.Default.ResponseEvent, told.Type));
            await writer.SendAsync("response.created", begun);
            await writer.SendAsync("response.in_progress", begun);
            ResponseReply ended = await FinishAsync(begun, messages, prepared, pieces, writer, context.RequestAborted);
            await writer.SendAsync("response." + ended.Status, ended);
        }
        else
        {
            ResponseReply ended = await FinishAsync(begun, messages, prepared, pieces, new ResponseWriter(null), null);
            await Reply.JsonAsync(context, ended, ApiJson.Default.ResponseReply);
        }
    }

    public Task GetAsync(HttpContext context) => Reply.BytesAsync(context, Find(context).Json, "application/json");

    public Task DeleteAsync(HttpContext context)
    {
        string id = Find(context).Id;
        _store.Delete(id);
        return Reply.JsonAsync(context, new ResponseDeleted(id, "response", true), ApiJson.Default.ResponseDeleted);
    }

    /// <summary>Runs to the end, and keeps the response.</summary>
    /// <param name="begun">The response before.</param>
    /// <param name="messages">The conversation.</param>
    /// <param name="prepared">Its prompt.</param>
    /// <param name="pieces">The answer.</param>
    /// <param name="writer">Makes the items.</param>
    /// <param name="aborted">Where the answer is streamed, so that an error is part of it: that the client left.</param>
    private async Task<ResponseReply> FinishAsync(
        ResponseReply begun, IReadOnlyList<ChatMessage> messages, PreparedChat prepared, IAsyncEnumerable<Piece> pieces, ResponseWriter writer, CancellationToken? aborted)
    {
        ChatAnswer answer = new();
        int cached = 0;
        try
        {
            await foreach (Piece piece in pieces)
            {
                cached = piece.Token.Completion?.CachedPromptTokens ?? cached;
                foreach (ChatDelta delta in piece.Deltas)
                {
                    answer.Add(delta);
                    await writer.AddAsync(delta);
                }
            }
        }
        catch (Exception error) when (aborted is { IsCancellationRequested: false } && error is ApiException or OperationCanceledException or ObjectDisposedException)
        {
            ApiException told = Errors.Tell(error, api.Generation.Options.RequestTimeout);
            return begun with { Status = "failed", Error = new ResponseError(told.Code ?? "server_error", told.Message), Output = writer.Items };
        }
        AnswerEnd end = answer.End!;
        int prompt = prepared.Request.Prompt.Count;
        bool isCut = end.Finish == ChatFinish.Length;
        ResponseReply ended = begun with
        {
            Status = isCut ? "incomplete" : "completed",
            IncompleteDetails = isCut ? new ResponseIncomplete("max_output_tokens") : null,
            Output = writer.Items,
            Usage = new ResponseUsage(prompt, new(cached), end.GeneratedTokens, new(end.ReasoningTokens), prompt + end.GeneratedTokens),
        };
        if (begun.Store)
            _store.Add(new StoredResponse(begun.Id, JsonSerializer.SerializeToUtf8Bytes(ended, ApiJson.Default.ResponseReply), [.. messages, answer.Message]));
        return ended;
    }

    private StoredResponse Find(HttpContext context)
    {
        string id = (string)context.Request.RouteValues["id"]!;
        return _store.Find(id) ?? throw new ApiException(404, $"There is no response '{id}' (any more).", "id", "not_found");
    }

    private IReadOnlyList<ChatMessage> Previous(RequestFields fields) => fields.Text("previous_response_id") is not { } id ? []
        : _store.Find(id)?.Messages
            ?? throw new ApiException(400, $"There is no response '{id}' (any more).", "previous_response_id", "previous_response_not_found");

    /// <summary>Fields that have one value here.</summary>
    private static void CheckConstant(RequestFields fields)
    {
        if (fields.Text("truncation") is not (null or "disabled"))
            throw ApiException.Unsupported("truncation", "truncation must be disabled: nothing is left out of a conversation.");
        if (fields.Flag("background") is true)
            throw ApiException.Unsupported("background", "background is not supported: a response is made while its client waits.");
        if (fields.Array("include")?.GetArrayLength() > 0)
            throw ApiException.Unsupported("include", "include is not supported: there is nothing more to include.");
        if (fields.Object("stream_options") is { } options)
        {
            if (options.Flag("include_obfuscation") is true)
                throw ApiException.Unsupported("stream_options.include_obfuscation", "stream_options.include_obfuscation is not supported.");
            options.CheckAllRead();
        }
        // For the provider's own records, and its cache, which is keyed by content here.
        _ = fields.Text("safety_identifier");
        _ = fields.Text("prompt_cache_key");
    }

    private static JsonElement ReadMetadata(RequestFields fields)
    {
        if (fields.Any("metadata") is not { } metadata)
            return Nothing;
        return metadata.ValueKind == JsonValueKind.Object && metadata.EnumerateObject().All(entry => entry.Value.ValueKind == JsonValueKind.String)
            ? metadata : throw fields.Wrong("metadata", "an object of strings");
    }
}
