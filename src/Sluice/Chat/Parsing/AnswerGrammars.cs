using Sluice.Chat.Styles;
using Sluice.Grammars;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers;

namespace Sluice.Chat.Parsing;

/// <summary>The grammars of a model's answers: made where calls or their arguments must be valid, and kept, as what is computed along the way is kept with them.</summary>
internal sealed class AnswerGrammars(ToolStyle style, ReasoningStyle? reasoning, Tokenizer tokenizer, string template)
{
    private const int MostKept = 64;

    private readonly Dictionary<(Grammar? Content, string Tools), Grammar> _kept = [];

    /// <summary>What an answer must look like; null for anything.</summary>
    /// <param name="request">What is asked; its own grammar is for what the model says, not for its thoughts and calls.</param>
    /// <param name="tools">The tools that may be called.</param>
    /// <param name="isOpen">Whether the prompt ends within what is thought.</param>
    /// <exception cref="GrammarException">A tool's schema is not supported.</exception>
    public Grammar? Of(ChatRequest request, IReadOnlyList<ChatTool> tools, bool isOpen)
    {
        Grammar? content = request.Generation.Grammar;
        bool mustCall = request.ToolMode == ToolMode.Required;
        if (!mustCall && (content is null ? !tools.Any(tool => tool.IsStrict) : tools.Count == 0 && reasoning is null && !style.HasChannels))
            return content;
        string key = string.Join('\n', tools.Select(tool => $"{tool.IsStrict} {tool.Name} {tool.Parameters}"))
            + $"\n{mustCall} {isOpen} {request.ParallelToolCalls}";
        lock (_kept)
        {
            if (_kept.TryGetValue((content, key), out Grammar? known))
                return known;
        }
        AnswerSyntax syntax = new(tokenizer, template, tools, request.ParallelToolCalls, mustFit: mustCall);
        Expression answer = mustCall ? style.Calls(syntax) : style.Answer(syntax, content?.Expression);
        Grammar made = new(reasoning?.Answer(syntax, isOpen, answer) ?? answer);
        lock (_kept)
        {
            if (_kept.Count >= MostKept)
                _kept.Clear();
            return _kept[(content, key)] = made;
        }
    }
}
