using System.Runtime.CompilerServices;
using System.Text.Json;
using Sluice.Chat.Parsing;
using Sluice.Chat.Styles;
using Sluice.Grammars;
using Sluice.Tokenizers;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat;

/// <summary>
/// A model to talk with: conversations with tools go in, and what it says, thinks and calls comes out. Several threads may use it
/// at once.
/// </summary>
/// <example>
/// <code>
/// using Engine engine = Engine.Load("model.gguf");
/// ChatModel model = new(engine);
/// await foreach (ChatDelta delta in model.AnswerAsync(new ChatRequest { Messages = [new("user", "Hello!")] }))
/// {
///     if (delta is ContentDelta content)
///         Console.Write(content.Text);
/// }
/// </code>
/// </example>
public sealed class ChatModel
{
    private readonly Engine _engine;
    private readonly ChatPrompt _prompt;
    private readonly AnswerGrammars _grammars;
    private readonly bool _takesTools; // its template does, so that it need not be told in words
    private readonly HashSet<int> _toolMarks = [], _reasoningMarks = []; // control tokens whose text is to be seen

    /// <param name="engine">What runs the model.</param>
    /// <param name="options">How it writes, where that is known better than by its files.</param>
    /// <exception cref="NotSupportedException">The model has no vocabulary.</exception>
    /// <exception cref="ArgumentException">An option names what there is not.</exception>
    /// <exception cref="TemplateException">The model's template is not valid.</exception>
    public ChatModel(Engine engine, ChatOptions? options = null)
    {
        options ??= new ChatOptions();
        _engine = engine;
        Tokenizer tokenizer = engine.Tokenizer
            ?? throw new NotSupportedException($"{engine.Runner.File.Path} has no vocabulary, so it cannot talk.");
        _prompt = ChatPrompt.FromModel(engine.Runner.File, tokenizer, options.Format);
        string template = _prompt.Template?.Source ?? "";
        ToolStyle? known = options.ToolStyle is { } name ? ToolStyle.Get(name) : ToolStyle.Of(template);
        _takesTools = known is not null && _prompt.Template is { TakesTools: true };
        Tools = known ?? ToolStyle.Default;
        Reasoning = Tools.HasChannels || options.ReasoningStyle == NoReasoning ? null
            : options.ReasoningStyle is { } reasoning ? ReasoningStyle.Get(reasoning)
            : ReasoningStyle.Of(template);
        _grammars = new AnswerGrammars(Tools, Reasoning, tokenizer, template);
        AddMarks(tokenizer, Tools.Markers, _toolMarks);
        AddMarks(tokenizer, Reasoning is null ? [] : [Reasoning.Begin, Reasoning.End], _reasoningMarks);
        _toolMarks.UnionWith(_reasoningMarks);
    }

    /// <summary>The name that stands for no reasoning style.</summary>
    public const string NoReasoning = "none";

    /// <summary>How turns are written, for people: the end of a sentence that begins with "Turns are written".</summary>
    public string Description => _prompt.Description;

    /// <summary>How the model calls tools.</summary>
    public ToolStyle Tools { get; }

    /// <summary>How it marks what it thinks; null where it does not, or where <see cref="Tools"/> says it.</summary>
    public ReasoningStyle? Reasoning { get; }

    /// <summary>Whether what the model thinks is told apart from what it says.</summary>
    public bool SeparatesReasoning => Reasoning is not null || Tools.HasChannels;

    /// <summary>Whether the model's template asks for a variable.</summary>
    public bool TakesVariable(string name) => _prompt.Template?.Source.Contains(name, StringComparison.Ordinal) ?? false;

    /// <summary>The prompt of a conversation, as text.</summary>
    /// <exception cref="TemplateException">The model's template does not take such a conversation.</exception>
    public string Render(ChatRequest request, CancellationToken cancellation = default)
    {
        IReadOnlyList<ChatTool> tools = Offered(request);
        return _prompt.Render(Messages(request, tools), ForTemplate(tools), request.TemplateVariables, cancellation);
    }

    /// <summary>Makes a conversation's prompt, and what reads the answer.</summary>
    /// <exception cref="ArgumentException">The request asks for tools that it does not have, or has two of a name.</exception>
    /// <exception cref="GrammarException">A tool's schema must be kept to and is not supported.</exception>
    /// <exception cref="TemplateException">The model's template does not take such a conversation.</exception>
    public PreparedChat Prepare(ChatRequest request, CancellationToken cancellation = default)
    {
        IReadOnlyList<ChatTool> tools = Offered(request);
        IReadOnlyList<ChatMessage> messages = Messages(request, tools);
        string text = _prompt.Render(messages, ForTemplate(tools), request.TemplateVariables, cancellation);
        int[] tokens = _prompt.Template is null ? _prompt.Encode(messages) : _prompt.Encode(text);
        Request generation = request.Generation with
        {
            Prompt = tokens,
            Grammar = _grammars.Of(request, tools, Reasoning?.IsOpen(text) ?? false),
            ShownTokens = tools.Count > 0 || Tools.HasChannels ? _toolMarks : _reasoningMarks,
        };
        return new PreparedChat(generation, wholeCalls => NewReader(request, tools, text, wholeCalls));
    }

    /// <summary>Answers.</summary>
    /// <param name="request">The conversation, and how to go on with it.</param>
    /// <param name="cancellation">Ends the generation.</param>
    /// <returns>The answer as it comes; an <see cref="AnswerEnd"/> at last.</returns>
    /// <exception cref="ArgumentException">The request makes no sense, or is too long for the context.</exception>
    /// <exception cref="GrammarException">A tool's schema must be kept to and is not supported.</exception>
    /// <exception cref="TemplateException">The model's template does not take such a conversation.</exception>
    public async IAsyncEnumerable<ChatDelta> AnswerAsync(ChatRequest request, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        PreparedChat chat = Prepare(request, cancellation);
        AnswerReader reader = chat.Reader();
        await foreach (GeneratedToken token in _engine.Generate(chat.Request, cancellation).ConfigureAwait(false))
        {
            foreach (ChatDelta delta in reader.Read(token))
                yield return delta;
            if (reader.HasEnded)
                break;
        }
    }

    private static IReadOnlyList<ChatTool> Offered(ChatRequest request)
    {
        if (request.Tools.Select(tool => tool.Name).Distinct().Count() < request.Tools.Count)
            throw new ArgumentException("Two tools have the same name.", nameof(request));
        if (request.ToolMode == ToolMode.None)
            return [];
        IReadOnlyList<ChatTool> tools = request.ToolName is null ? request.Tools : [.. request.Tools.Where(tool => tool.Name == request.ToolName)];
        return tools.Count > 0 || (request.ToolName is null && request.ToolMode == ToolMode.Auto) ? tools
            : throw new ArgumentException($"There is no tool '{request.ToolName}' to call.", nameof(request));
    }

    private IReadOnlyList<ChatMessage> Messages(ChatRequest request, IReadOnlyList<ChatTool> tools) =>
        _takesTools ? [.. request.Messages.Select(message => WithName(message, request.Messages))] : ToolInstructions.Explain(
            request.Messages, tools, calls => Tools.Write(calls, _prompt.Template?.Source ?? ""));

    /// <summary>Some templates want the name of the tool that answers, where OpenAI's API has only the call's id.</summary>
    private static ChatMessage WithName(ChatMessage message, IReadOnlyList<ChatMessage> all) =>
        message.Role != "tool" || message.Name is not null || message.ToolCallId is null ? message
            : message with { Name = all.SelectMany(one => one.ToolCalls).FirstOrDefault(call => call.Id == message.ToolCallId)?.Name };

    private JsonElement? ForTemplate(IReadOnlyList<ChatTool> tools) => _takesTools && tools.Count > 0 ? ToolInstructions.ToJson(tools) : null;

    private AnswerReader NewReader(ChatRequest request, IReadOnlyList<ChatTool> tools, string prompt, bool wholeCalls)
    {
        Answer answer = new(tools, Tools.NewId, request.ParallelToolCalls ? int.MaxValue : 1, wholeCalls);
        IEnumerable<Need> needs = tools.Count > 0 || Tools.HasChannels ? Tools.Read(answer) : [new TextUntil(answer.Content)];
        return new AnswerReader(answer, Reasoning?.Read(answer, Reasoning.IsOpen(prompt), needs) ?? needs);
    }

    private static void AddMarks(Tokenizer tokenizer, IEnumerable<string> texts, HashSet<int> marks)
    {
        foreach (string text in texts)
        {
            if (tokenizer.TryGetId(text, out int id) && tokenizer.IsSpecial(id))
                marks.Add(id);
        }
    }
}

/// <summary>A conversation that is ready for the engine.</summary>
public sealed class PreparedChat
{
    private readonly Func<bool, AnswerReader> _newReader;

    internal PreparedChat(Request request, Func<bool, AnswerReader> newReader) => (Request, _newReader) = (request, newReader);

    /// <summary>What the engine is to generate.</summary>
    public Request Request { get; }

    /// <summary>What reads one answer: each of several needs its own.</summary>
    /// <param name="wholeCalls">
    /// Whether calls come only once they are complete, so that one that breaks off is content; if not, arguments come as they are
    /// written.
    /// </param>
    public AnswerReader Reader(bool wholeCalls = false) => _newReader(wholeCalls);
}
