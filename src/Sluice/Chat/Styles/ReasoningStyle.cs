using Sluice.Chat.Parsing;
using Sluice.Grammars.Syntax;

namespace Sluice.Chat.Styles;

/// <summary>How models mark what they think before they answer.</summary>
/// <param name="Name">The style's name.</param>
/// <param name="Begin">The mark that begins it; models whose prompt has it already do not write it.</param>
/// <param name="End">The mark that ends it.</param>
public sealed record ReasoningStyle(string Name, string Begin, string End)
{
    /// <summary>All styles. A new one is a line here.</summary>
    public static IReadOnlyList<ReasoningStyle> All { get; } =
    [
        new("think", "<think>", "</think>"), // DeepSeek R1, Qwen 3, GLM, ...
        new("mistral", "[THINK]", "[/THINK]"),
        new("seed", "<seed:think>", "</seed:think>"),
        new("cohere", "<|START_THINKING|>", "<|END_THINKING|>"),
    ];

    /// <summary>A style by its name.</summary>
    /// <exception cref="ArgumentException">There is none of this name.</exception>
    public static ReasoningStyle Get(string name) => All.FirstOrDefault(style => style.Name == name)
        ?? throw new ArgumentException($"There is no reasoning style '{name}'; there are {string.Join(", ", All.Select(style => style.Name))}.", nameof(name));

    /// <summary>The style of a chat template; null where it is of none of these.</summary>
    public static ReasoningStyle? Of(string template) => All.FirstOrDefault(style => template.Contains(style.End));

    /// <summary>Reads an answer.</summary>
    /// <param name="answer">What becomes of it.</param>
    /// <param name="isOpen">Whether the prompt ends within what is thought.</param>
    /// <param name="rest">Reads what comes after.</param>
    internal IEnumerable<Need> Read(Answer answer, bool isOpen, IEnumerable<Need> rest)
    {
        if (!isOpen)
        {
            Optional begin = new(Begin);
            yield return begin;
            isOpen = begin.Found;
        }
        if (isOpen)
        {
            answer.BeginReasoning();
            yield return new TextUntil(answer.Reasoning, End);
            answer.EndReasoning();
            answer.Drop();
        }
        foreach (Need need in rest)
            yield return need;
    }

    /// <summary>The grammar of an answer that may begin with thoughts.</summary>
    internal Expression Answer(AnswerSyntax syntax, bool isOpen, Expression rest)
    {
        Expression thought = Expression.Then(syntax.Without(End), syntax.Text(End));
        return Expression.Then(
            isOpen ? thought : Expression.Then(syntax.Text(Begin), thought).Optional(),
            Expression.Text("\n").Times(0, 2),
            rest);
    }

    /// <summary>Whether a prompt ends within what is thought.</summary>
    internal bool IsOpen(string prompt) => prompt.AsSpan().TrimEnd().EndsWith(Begin, StringComparison.Ordinal);
}
