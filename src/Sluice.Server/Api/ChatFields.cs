using System.Text.Json;
using Sluice.Chat;
using Sluice.Grammars;
using Sluice.Server.Http;

namespace Sluice.Server.Api;

/// <summary>The fields that make a conversation's prompt.</summary>
internal static class ChatFields
{
    public static ChatRequest Read(RequestFields fields)
    {
        ChatRequest chat = new() { Messages = Messages.Of(fields) };
        if (fields.Any("chat_template_kwargs") is { } variables)
        {
            chat = chat with
            {
                TemplateVariables = variables.ValueKind == JsonValueKind.Object
                    ? [.. variables.EnumerateObject().Select(variable => KeyValuePair.Create(variable.Name, (object?)variable.Value))]
                    : throw fields.Wrong("chat_template_kwargs", "an object"),
            };
        }
        return ToolFields.Read(fields, chat);
    }

    /// <summary>Adds how much the model is to think, where its template can tell it.</summary>
    public static ChatRequest AddEffort(ApiContext api, RequestFields fields, string name, ChatRequest chat)
    {
        const string variable = "reasoning_effort";
        if (fields.Text(name) is not { } effort)
            return chat;
        if (!api.Chat.TakesVariable(variable))
            throw ApiException.Unsupported(fields.Path(name), $"{fields.Path(name)} is not supported: the model's chat template does not ask for it.");
        return chat with { TemplateVariables = [.. chat.TemplateVariables, KeyValuePair.Create(variable, (object?)effort)] };
    }

    /// <summary>Makes the prompt.</summary>
    public static PreparedChat Prepare(ApiContext api, ChatRequest chat, CancellationToken cancellation)
    {
        try
        {
            return api.Chat.Prepare(chat, cancellation);
        }
        catch (Exception error) when (error is ArgumentException or GrammarException)
        {
            throw ApiException.Bad("tools", error.Message);
        }
    }
}
