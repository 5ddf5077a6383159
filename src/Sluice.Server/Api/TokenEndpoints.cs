using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Sluice.Chat;
using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>POST /tokenize, /detokenize and /apply-template.</summary>
internal sealed class TokenEndpoints(ApiContext api)
{
    public async Task TokenizeAsync(HttpContext context)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        api.CheckModel(fields);
        bool withTexts = fields.Flag("return_token_strs") ?? false;
        ChatRequest? chat = fields.Any("messages") is null ? null : ChatFields.Read(fields);
        if (chat is null)
            fields.Exclude("where there are no messages", "chat_template_kwargs", "tools", "tool_choice", "parallel_tool_calls");
        else
            fields.Exclude("beside messages", "prompt", "add_special_tokens");
        int[] tokens = chat is not null
            ? [.. ChatFields.Prepare(api, chat, context.RequestAborted).Request.Prompt]
            : api.Tokenizer.Encode(fields.Required(fields.Text("prompt"), "prompt"), fields.Flag("add_special_tokens") ?? true);
        fields.CheckAllRead();
        string[]? texts = withTexts ? [.. tokens.Select(api.Tokenizer.TokenText)] : null;
        await Reply.JsonAsync(context, new(tokens.Length, api.Engine.Context, tokens, texts), ApiJson.Default.TokenizeReply);
    }

    public async Task DetokenizeAsync(HttpContext context)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        api.CheckModel(fields);
        if (fields.Array("tokens") is not { } array)
            throw fields.Missing("tokens");
        int[] tokens = [.. array.EnumerateArray().Select(id =>
            id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out int token) && (uint)token < (uint)api.Tokenizer.VocabularySize
                ? token : throw fields.Wrong("tokens", $"an array of token ids below {api.Tokenizer.VocabularySize}"))];
        fields.CheckAllRead();
        await Reply.JsonAsync(context, new(api.Tokenizer.Decode(tokens, skipSpecial: false)), ApiJson.Default.DetokenizeReply);
    }

    public async Task ApplyTemplateAsync(HttpContext context)
    {
        RequestFields fields = await RequestFields.ReadAsync(context);
        api.CheckModel(fields);
        string prompt = api.Chat.Render(ChatFields.Read(fields), context.RequestAborted);
        fields.CheckAllRead();
        await Reply.JsonAsync(context, new(prompt), ApiJson.Default.ApplyTemplateReply);
    }
}
