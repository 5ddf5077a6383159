using System.Text.Json;
using Sluice.Files;
using Sluice.Tokenizers;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat;

/// <summary>
/// How a model's conversations become prompts: by the model's own template, or by a <see cref="ChatFormat"/> where it has none.
/// Several threads may use it at once.
/// </summary>
public sealed class ChatPrompt
{
    private readonly Tokenizer _tokenizer;
    private readonly ChatTemplate? _template;
    private readonly ChatFormat _format;

    private ChatPrompt(Tokenizer tokenizer, ChatTemplate? template, ChatFormat format) =>
        (_tokenizer, _template, _format) = (tokenizer, template, format);

    /// <summary>The model's template; null where a format is used.</summary>
    internal ChatTemplate? Template => _template;

    /// <summary>How turns are written, for people: the end of a sentence that begins with "Turns are written".</summary>
    public string Description => _template is null ? $"as {_format.Name}" : "by the model's template";

    /// <summary>The way of a model.</summary>
    /// <param name="file">The model.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="format">
    /// The name of the format to use whatever the model says; null for the model's template, or what its vocabulary looks like.
    /// </param>
    /// <exception cref="ArgumentException">There is no format of this name.</exception>
    /// <exception cref="TemplateException">The model's template is not valid.</exception>
    public static ChatPrompt FromModel(ModelFile file, Tokenizer tokenizer, string? format = null)
    {
        ChatTemplate? template = format is null && ChatTemplate.Has(file) ? ChatTemplate.FromModel(file, tokenizer) : null;
        return new(tokenizer, template, format is null ? ChatFormat.Of(tokenizer) : ChatFormat.Get(format));
    }

    /// <summary>The tokens of a conversation, up to where the model answers.</summary>
    /// <param name="messages">What was said so far.</param>
    /// <param name="tools">The tools that the model may call, for its template; see <see cref="ChatTemplate.Apply"/>.</param>
    /// <param name="more">More variables for the template.</param>
    /// <param name="cancellation">Ends a template's rendering.</param>
    /// <exception cref="TemplateException">The template fails, as when it wants roles in another order.</exception>
    public int[] Encode(
        IReadOnlyList<ChatMessage> messages,
        JsonElement? tools = null,
        IEnumerable<KeyValuePair<string, object?>>? more = null,
        CancellationToken cancellation = default) =>
        _template is null
            ? _format.Prompt(_tokenizer, messages)
            : Encode(_template.Apply(messages, tools: tools, more: more, cancellation: cancellation));

    /// <summary>The tokens of a prompt that was rendered.</summary>
    internal int[] Encode(string prompt)
    {
        int[] tokens = _tokenizer.Encode(prompt, addSpecial: false, parseSpecial: true);
        // Most templates write the token that begins a text, some leave it to the tokenizer.
        return _tokenizer.StartId is { } bos && (tokens.Length == 0 || tokens[0] != bos) ? [bos, .. tokens] : tokens;
    }

    /// <summary>The text of a conversation's prompt; parameters as above.</summary>
    /// <exception cref="TemplateException">The template fails.</exception>
    public string Render(
        IReadOnlyList<ChatMessage> messages,
        JsonElement? tools = null,
        IEnumerable<KeyValuePair<string, object?>>? more = null,
        CancellationToken cancellation = default) =>
        _template is null
            ? string.Concat(messages.Select(message => _format.Before(message.Role) + message.Content + _format.After(message.Role)))
                + _format.Before(ChatFormat.Assistant)
            : _template.Apply(messages, tools: tools, more: more, cancellation: cancellation);
}
