using Sluice.Chat.Parsing;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat.Styles;

/// <summary>
/// DeepSeek V2.5, V3 and R1: between marks, <c>function</c>, a mark, the name, and the arguments as a fenced block of JSON; V3.1: the name, a
/// mark, and the arguments.
/// </summary>
internal sealed class DeepSeekStyle : ToolStyle
{
    private const string
        BeginAll = "<｜tool▁calls▁begin｜>", EndAll = "<｜tool▁calls▁end｜>",
        Begin = "<｜tool▁call▁begin｜>", End = "<｜tool▁call▁end｜>", Separator = "<｜tool▁sep｜>";

    public override string Name => "deepseek";

    internal override IReadOnlyList<string> Markers { get; } = [BeginAll, EndAll, Begin, End, Separator];

    internal override IEnumerable<Need> Read(Answer answer)
    {
        while (true)
        {
            yield return new TextUntil(answer.Content, BeginAll);
            while (true)
            {
                Optional begin = new(Begin);
                yield return begin;
                if (!begin.Found)
                    break;
                Capture type = new(Separator), name = new("{");
                yield return type;
                yield return new Optional(Separator);
                yield return name;
                ArgumentsObject arguments = new(answer, name.Text.Split('\n')[0].Trim() is { Length: > 0 } fenced ? fenced : type.Text.Trim());
                yield return arguments;
                if (!answer.Accept(arguments))
                    break;
                yield return new Optional("```");
                yield return new Optional(End);
                answer.Drop();
            }
            Optional end = new(EndAll);
            yield return end;
            if (!end.Found)
                answer.Fail();
        }
    }

    internal override Expression Calls(AnswerSyntax syntax)
    {
        bool isFenced = syntax.Knows("```json");
        Expression calls = isFenced
            ? syntax.Calls(tool => Call(tool, ["function", Separator, tool.Name, "\n```json\n"], ["\n```", End]), "\n")
            : syntax.Calls(tool => Call(tool, [tool.Name, Separator], [End]));
        return Expression.Then(syntax.Text(BeginAll), calls, syntax.Text(EndAll));

        Expression Call(ChatTool tool, string[] before, string[] after) =>
            Expression.Then(syntax.Text(Begin), syntax.Text(before), syntax.Arguments(tool), syntax.Text(after));
    }

    internal override string Write(IReadOnlyList<ChatToolCall> calls, string template)
    {
        bool isFenced = template.Contains("```json");
        IEnumerable<string> written = calls.Select(call =>
            Begin + (isFenced ? $"function{Separator}{call.Name}\n```json\n{call.Arguments}\n```" : $"{call.Name}{Separator}{call.Arguments}") + End);
        return BeginAll + string.Join(isFenced ? "\n" : "", written) + EndAll;
    }

    private protected override bool Knows(string template) => template.Contains(BeginAll);
}
