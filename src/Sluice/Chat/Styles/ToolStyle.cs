using Sluice.Chat.Parsing;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat.Styles;

/// <summary>How a family of models writes the calls of tools.</summary>
public abstract class ToolStyle
{
    private protected ToolStyle()
    {
    }

    /// <summary>The styles, the most particular first: a template is of the first that knows it. A new one is a line here.</summary>
    public static IReadOnlyList<ToolStyle> All { get; } =
    [
        new HarmonyStyle(),
        new DeepSeekStyle(),
        new MistralStyle(),
        new QwenCoderStyle(),
        new GlmStyle(),
        new HermesStyle(),
        new Llama3Style(),
    ];

    /// <summary>The style of models that were taught none.</summary>
    public static ToolStyle Default { get; } = Get("hermes");

    /// <summary>The style's name.</summary>
    public abstract string Name { get; }

    /// <summary>What the calls are marked with. Where these are control tokens, their text must be seen.</summary>
    internal abstract IReadOnlyList<string> Markers { get; }

    /// <summary>Whether the style also says what is thought and what is answered, so that answers are read by it even without tools.</summary>
    internal virtual bool HasChannels => false;

    /// <summary>A style by its name.</summary>
    /// <exception cref="ArgumentException">There is none of this name.</exception>
    public static ToolStyle Get(string name) => All.FirstOrDefault(style => style.Name == name)
        ?? throw new ArgumentException($"There is no tool style '{name}'; there are {string.Join(", ", All.Select(style => style.Name))}.", nameof(name));

    /// <summary>The style of a chat template; null where it is of none of these.</summary>
    public static ToolStyle? Of(string template) => All.FirstOrDefault(style => style.Knows(template));

    private protected static string Object(ChatToolCall call, string arguments) => $"{{\"name\": \"{call.Name}\", \"{arguments}\": {call.Arguments}}}";

    /// <summary>Whether a template is of this style.</summary>
    private protected abstract bool Knows(string template);

    /// <summary>Reads an answer.</summary>
    internal abstract IEnumerable<Need> Read(Answer answer);

    /// <summary>Calls as the model would write them, for prompts of models whose templates do not.</summary>
    /// <param name="calls">The calls; their arguments may be no JSON, if a model wrote them so.</param>
    /// <param name="template">The model's chat template, by which variants of a style are told apart.</param>
    internal abstract string Write(IReadOnlyList<ChatToolCall> calls, string template);

    /// <summary>The grammar of calls, one at least: as the model was taught to write them.</summary>
    /// <exception cref="Grammars.GrammarException">A tool's schema is not supported.</exception>
    internal abstract Expression Calls(AnswerSyntax syntax);

    /// <summary>The grammar of an answer, with calls or without any.</summary>
    /// <param name="syntax">What it is written with.</param>
    /// <param name="content">What the model may say instead of calls; null: anything, and calls after it.</param>
    /// <exception cref="Grammars.GrammarException">A tool's schema is not supported.</exception>
    internal virtual Expression Answer(AnswerSyntax syntax, Expression? content) =>
        !syntax.HasTools ? content ?? syntax.Without()
        : content is null ? Expression.Then(syntax.Without(Markers[0]), Calls(syntax).Optional())
        : Expression.Any(content, Calls(syntax));

    /// <summary>A call's id.</summary>
    internal virtual string NewId() => "call_" + Guid.NewGuid().ToString("N")[..24];
}
