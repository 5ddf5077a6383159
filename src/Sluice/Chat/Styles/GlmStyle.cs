using Sluice.Chat.Parsing;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat.Styles;

/// <summary>
/// GLM 4.5 and later: <c>&lt;tool_call&gt;NAME&lt;arg_key&gt;KEY&lt;/arg_key&gt;&lt;arg_value&gt;VALUE&lt;/arg_value&gt;...&lt;/tool_call&gt;</c>, each on a line of its own or none.
/// </summary>
internal sealed class GlmStyle : ToolStyle
{
    private const string
        Begin = "<tool_call>", End = "</tool_call>",
        BeginKey = "<arg_key>", EndKey = "</arg_key>", BeginValue = "<arg_value>", EndValue = "</arg_value>";

    public override string Name => "glm";

    internal override IReadOnlyList<string> Markers { get; } = [Begin, End, BeginKey, EndKey, BeginValue, EndValue];

    internal override IEnumerable<Need> Read(Answer answer)
    {
        while (true)
        {
            yield return new TextUntil(answer.Content, Begin);
            Capture name = new(BeginKey, End);
            yield return name;
            if (!name.Found || !answer.TryBegin(name.Text.Trim()))
            {
                answer.Fail();
                continue;
            }
            NamedArguments arguments = new(answer, name.Text.Trim());
            while (true)
            {
                Optional parameter = new(BeginKey);
                yield return parameter;
                if (!parameter.Found)
                    break;
                PartUntil key = new(EndKey), value = new(EndValue);
                yield return key;
                yield return new Optional(BeginValue);
                yield return value;
                if (value.Found)
                    arguments.Add(key.Text, value.Text);
            }
            Optional end = new(End);
            yield return end;
            if (end.Found)
                arguments.End();
            answer.Accept(end);
        }
    }

    internal override Expression Calls(AnswerSyntax syntax) => syntax.Calls(
        tool => Expression.Then(
            syntax.Text(Begin, tool.Name, "\n"),
            syntax.NamedArguments(
                tool,
                (name, value) => Expression.Then(syntax.Text(BeginKey, name, EndKey, "\n", BeginValue), value, syntax.Text(EndValue, "\n")),
                EndValue),
            syntax.Text(End)),
        "\n");

    internal override string Write(IReadOnlyList<ChatToolCall> calls, string template) => string.Join('\n', calls.Select(call =>
        $"{Begin}{call.Name}\n"
        + string.Concat(NamedArguments.Of(call.Arguments).Select(argument =>
            $"{BeginKey}{argument.Name}{EndKey}\n{BeginValue}{argument.Text}{EndValue}\n"))
        + End));

    private protected override bool Knows(string template) => template.Contains(Begin) && template.Contains(BeginKey);
}
