using Sluice.Chat.Parsing;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat.Styles;

/// <summary>
/// Llama 3.1 to 3.3: an answer that is, or a <c>&lt;|python_tag|&gt;</c> that is followed by, <c>{"name": ..., "parameters": {...}}</c>;
/// several with semicolons between them.
/// </summary>
internal sealed class Llama3Style : ToolStyle
{
    private const string Tag = "<|python_tag|>";

    public override string Name => "llama3";

    internal override IReadOnlyList<string> Markers { get; } = [Tag];

    internal override IEnumerable<Need> Read(Answer answer)
    {
        yield return new Optional(Tag);
        while (true)
        {
            CallObject call = new(answer);
            yield return call;
            if (answer.Accept(call))
                yield return new Optional(";");
            else
                yield return new TextUntil(answer.Content, Tag);
        }
    }

    // Its templates know one call at a time.
    internal override Expression Calls(AnswerSyntax syntax) => syntax.OneCall(tool => syntax.CallObject(tool, "parameters"));

    internal override Expression Answer(AnswerSyntax syntax, Expression? content) =>
        Expression.Any(Calls(syntax), content ?? syntax.NotBeginning('{'));

    internal override string Write(IReadOnlyList<ChatToolCall> calls, string template) =>
        string.Join("; ", calls.Select(call => Object(call, "parameters")));

    private protected override bool Knows(string template) =>
        template.Contains("<|start_header_id|>") && (template.Contains(Tag) || template.Contains("\"parameters\": "));
}
