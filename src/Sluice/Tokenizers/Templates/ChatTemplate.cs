using System.Text.Json;
using Sluice.Files;
using Sluice.Tokenizers.Templates.Nodes;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Syntax;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates;

/// <summary>
/// A chat template: what makes the prompt of a conversation, written in Jinja2 and run as Hugging Face's transformers runs it
/// (sandboxed, <c>trim_blocks</c>, <c>lstrip_blocks</c>, <c>break</c> and <c>continue</c>, <c>raise_exception</c>,
/// <c>strftime_now</c>, <c>tojson</c>, <c>generation</c>). A template is parsed once; it does not change, and several threads
/// may render it at once.
/// </summary>
/// <remarks>
/// A template reaches nothing but the data it is given, and cannot change them. Work, depth and length are bounded
/// (<see cref="TemplateOptions"/>). Inheritance, inclusion and imports are refused, as are HTML autoescaping and the filters
/// <c>random</c>, <c>pprint</c>, <c>urlize</c> and <c>wordwrap</c>.
/// </remarks>
public sealed class ChatTemplate
{
    private const string MetadataKey = "tokenizer.chat_template";

    private const string ProbedTool = "find_place";

    private static readonly JsonElement ProbedTools = JsonElement.Parse("""
        [{"type": "function", "function": {"name": "find_place", "description": "Finds a place", "parameters":
        {"type": "object", "properties": {"place": {"type": "string", "description": "Its name"}}, "required": ["place"]}}}]
        """);

    private readonly Statement[] _statements;
    private readonly Lazy<ChatVariables?> _shape;
    private readonly Dictionary<string, object?> _modelVariables = new(StringComparer.Ordinal);

    private ChatTemplate(string source)
    {
        Source = source;
        _statements = Parser.Parse(source);
        _shape = new Lazy<ChatVariables?>(FindShape);
    }

    /// <summary>
    /// ChatML, for models that bring no template, if that is what their user wants: every message between
    /// <c>&lt;|im_start|&gt;role</c> and <c>&lt;|im_end|&gt;</c>. Nothing uses it unasked.
    /// </summary>
    public static ChatTemplate ChatMl { get; } = Parse(
        "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{% endfor %}"
        + "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}");

    /// <summary>The template as it is written.</summary>
    public string Source { get; }

    /// <summary>Whether it tells the model which tools there are, and writes down which were called and what they answered.</summary>
    public bool TakesTools => _shape.Value is not null && ShowsTools();

    /// <summary>Parses a template.</summary>
    /// <exception cref="TemplateException">It is not a valid template; the message says where.</exception>
    public static ChatTemplate Parse(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return new ChatTemplate(source);
    }

    /// <summary>
    /// A model's own template. It also knows the model's special tokens: <c>bos_token</c>, <c>eos_token</c>, <c>unk_token</c> and
    /// <c>pad_token</c>, unless the values for a rendering say otherwise.
    /// </summary>
    /// <param name="file">The model.</param>
    /// <param name="tokenizer">The model's tokenizer, if it was made already.</param>
    /// <param name="name">Which of several templates (<c>tool_use</c>, <c>rag</c>); null for the default.</param>
    /// <exception cref="NotSupportedException">The model has no such template; <see cref="ChatMl"/> may do.</exception>
    /// <exception cref="TemplateException">Its template is not valid.</exception>
    public static ChatTemplate FromModel(ModelFile file, Tokenizer? tokenizer = null, string? name = null)
    {
        string key = name is null ? MetadataKey : $"{MetadataKey}.{name}";
        if (!file.Metadata.TryGetString(key, out string? source))
        {
            throw new NotSupportedException(
                $"{file.Path} has no chat template (metadata key '{key}'): it may not be made for conversations.");
        }
        ChatTemplate template = Parse(source);
        foreach ((string variable, string token) in ModelTokens.Read(tokenizer ?? Tokenizer.FromModel(file)))
            template._modelVariables[variable] = token;
        return template;
    }

    /// <summary>Whether a model brings a template.</summary>
    public static bool Has(ModelFile file) => file.Metadata.Contains(MetadataKey);

    /// <summary>Renders the template.</summary>
    /// <param name="values">
    /// The variables: null, bool, numbers, strings, <see cref="JsonElement"/> or <see cref="System.Text.Json.Nodes.JsonNode"/>,
    /// and lists and dictionaries by name of these.
    /// </param>
    /// <param name="options">The bounds; <see cref="TemplateOptions.Default"/> if null.</param>
    /// <param name="cancellation">Ends the rendering.</param>
    /// <exception cref="TemplateException">
    /// The template fails: by its own <c>raise_exception</c>, because it wants what it was not given, or past a bound.
    /// </exception>
    /// <exception cref="ArgumentException">A value has no place in a template.</exception>
    public string Render(
        IEnumerable<KeyValuePair<string, object?>> values,
        TemplateOptions? options = null,
        CancellationToken cancellation = default)
    {
        Dictionary<string, object?> variables = new(_modelVariables, StringComparer.Ordinal);
        foreach ((string name, object? value) in values)
            variables[name] = HostValue.Convert(value);
        return new Renderer(variables, options ?? TemplateOptions.Default, cancellation).Render(_statements);
    }

    /// <summary>Renders the template with the members of a JSON object as variables; otherwise as above.</summary>
    /// <exception cref="ArgumentException">It is no object.</exception>
    public string Render(JsonElement values, TemplateOptions? options = null, CancellationToken cancellation = default)
    {
        if (values.ValueKind != JsonValueKind.Object)
            throw new ArgumentException($"The values for a template are a JSON {values.ValueKind}, not an object.", nameof(values));
        return Render(
            values.EnumerateObject().Select(member => KeyValuePair.Create(member.Name, (object?)member.Value)),
            options,
            cancellation);
    }

    /// <summary>Makes the prompt of a conversation.</summary>
    /// <param name="messages">What was said so far.</param>
    /// <param name="addGenerationPrompt">Whether the assistant's turn begins at the prompt's end.</param>
    /// <param name="tools">
    /// The tools that the model may call: a JSON array of objects as in OpenAI's API
    /// (<c>{"type": "function", "function": ...}</c>).
    /// </param>
    /// <param name="more">Other variables of the template (<c>enable_thinking</c>, ...), which win over these.</param>
    /// <param name="options">The bounds; <see cref="TemplateOptions.Default"/> if null.</param>
    /// <param name="cancellation">Ends the rendering.</param>
    /// <exception cref="TemplateException">The template fails, as when it wants roles in another order.</exception>
    public string Apply(
        IReadOnlyList<ChatMessage> messages,
        bool addGenerationPrompt = true,
        JsonElement? tools = null,
        IEnumerable<KeyValuePair<string, object?>>? more = null,
        TemplateOptions? options = null,
        CancellationToken cancellation = default)
    {
        ChatVariables shape = messages.Any(message => message.ToolCalls.Count > 0) && _shape.Value is { } found ? found : ChatVariables.All[0];
        return RenderAs(shape, messages, addGenerationPrompt, tools, more, options, cancellation);
    }

    private string RenderAs(
        ChatVariables shape,
        IReadOnlyList<ChatMessage> messages,
        bool addGenerationPrompt = true,
        JsonElement? tools = null,
        IEnumerable<KeyValuePair<string, object?>>? more = null,
        TemplateOptions? options = null,
        CancellationToken cancellation = default)
    {
        shape = shape with { IsThinking = Source.Contains("message.thinking", StringComparison.Ordinal) };
        Dictionary<string, object?> values = new(StringComparer.Ordinal)
        {
            ["messages"] = messages.Select(shape.Of),
            ["add_generation_prompt"] = addGenerationPrompt,
            // Hugging Face defines these always: templates ask whether they are none.
            ["tools"] = tools,
            ["documents"] = null,
        };
        foreach ((string name, object? value) in more ?? [])
            values[name] = value;
        return Render(values, options, cancellation);
    }

    /// <summary>How messages with calls must look: templates differ, and fail or leave them out where they look otherwise. Null: they know no calls.</summary>
    private ChatVariables? FindShape()
    {
        const string Place = "Timbuktu", Answer = "cloudy";
        // Mistral's templates want ids of nine letters and digits.
        ChatMessage[] messages =
        [
            new("user", "Hello"),
            new("assistant", null) { ToolCalls = [new("abcdef123", ProbedTool, $$"""{"place": "{{Place}}"}""")] },
            new("tool", Answer) { ToolCallId = "abcdef123", Name = ProbedTool },
        ];
        return ChatVariables.All.FirstOrDefault(shape =>
            TryApply(shape, messages) is { } text && text.Contains(ProbedTool) && text.Contains(Place) && text.Contains(Answer));
    }

    private bool ShowsTools() => TryApply(_shape.Value!, [new("user", "Hello")])?.Contains(ProbedTool) ?? false;

    private string? TryApply(ChatVariables shape, ChatMessage[] messages)
    {
        try
        {
            return RenderAs(shape, messages, tools: ProbedTools);
        }
        catch (TemplateException)
        {
            return null; // the template does not take such messages, which is what was to be found out
        }
    }
}
