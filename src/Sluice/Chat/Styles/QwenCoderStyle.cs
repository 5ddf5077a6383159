using Sluice.Chat.Parsing;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat.Styles;

/// <summary>
/// Qwen3-Coder: <c>&lt;tool_call&gt;&lt;function=NAME&gt;&lt;parameter=KEY&gt;VALUE&lt;/parameter&gt;...&lt;/function&gt;&lt;/tool_call&gt;</c>, each on a line of its own.
/// </summary>
internal sealed class QwenCoderStyle : ToolStyle
{
    private const string Begin = "<tool_call>", End = "</tool_call>", Function = "<function=", Parameter = "<parameter=";

    public override string Name => "qwen-coder";

    internal override IReadOnlyList<string> Markers { get; } = [Begin, End];

    internal override IEnumerable<Need> Read(Answer answer)
    {
        while (true)
        {
            TextUntil text = new(answer.Content, Begin, Function); // the first is left out at times
            yield return text;
            if (text.Marker == Begin)
                yield return new Optional(Function);
            Capture name = new(">");
            yield return name;
            Optional close = new(">");
            yield return close;
            if (!close.Found || !answer.TryBegin(name.Text.Trim()))
            {
                answer.Fail();
                continue;
            }
            NamedArguments arguments = new(answer, name.Text.Trim());
            while (true)
            {
                Optional parameter = new(Parameter);
                yield return parameter;
                if (!parameter.Found)
                    break;
                PartUntil key = new(">"), value = new("</parameter>");
                yield return key;
                yield return value;
                if (value.Found)
                    arguments.Add(key.Text, value.Text);
            }
            Optional end = new("</function>");
            yield return end;
            if (end.Found)
                arguments.End();
            if (answer.Accept(end))
                yield return new Optional(End);
        }
    }

    internal override Expression Calls(AnswerSyntax syntax)
    {
        const string End = "\n</parameter>";
        return syntax.Calls(
            tool => Expression.Then(
                syntax.Text(Begin, $"\n{Function}{tool.Name}>\n"),
                syntax.NamedArguments(
                    tool, (name, value) => Expression.Then(syntax.Text($"{Parameter}{name}>\n"), value, syntax.Text(End + "\n")), End),
                syntax.Text("</function>\n", QwenCoderStyle.End)),
            "\n");
    }

    internal override string Write(IReadOnlyList<ChatToolCall> calls, string template) => string.Join('\n', calls.Select(call =>
        $"{Begin}\n{Function}{call.Name}>\n"
        + string.Concat(NamedArguments.Of(call.Arguments).Select(argument => $"{Parameter}{argument.Name}>\n{argument.Text}\n</parameter>\n"))
        + $"</function>\n{End}"));

    private protected override bool Knows(string template) => template.Contains(Begin) && template.Contains(Function);
}
