using Sluice.Chat.Parsing;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat.Styles;

/// <summary>Hermes, Qwen 2.5 and 3: <c>&lt;tool_call&gt;{"name": ..., "arguments": {...}}&lt;/tool_call&gt;</c>, once for each call.</summary>
internal sealed class HermesStyle : ToolStyle
{
    private const string Begin = "<tool_call>", End = "</tool_call>";

    public override string Name => "hermes";

    internal override IReadOnlyList<string> Markers { get; } = [Begin, End];

    internal override IEnumerable<Need> Read(Answer answer)
    {
        while (true)
        {
            yield return new TextUntil(answer.Content, Begin);
            CallObject call = new(answer);
            yield return call;
            if (answer.Accept(call))
                yield return new Optional(End);
        }
    }

    internal override Expression Calls(AnswerSyntax syntax) => syntax.Calls(
        tool => Expression.Then(syntax.Text(Begin, "\n"), syntax.CallObject(tool, "arguments"), syntax.Text("\n", End)), "\n");

    internal override string Write(IReadOnlyList<ChatToolCall> calls, string template) =>
        string.Join('\n', calls.Select(call => $"{Begin}\n{Object(call, "arguments")}\n{End}"));

    private protected override bool Knows(string template) => template.Contains(Begin);
}
