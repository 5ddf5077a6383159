using System.Security.Cryptography;
using Sluice.Chat.Parsing;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat.Styles;

/// <summary>
/// Mistral: <c>[TOOL_CALLS]</c> and a list of <c>{"name": ..., "arguments": {...}}</c> (to tokenizer version 7), or for each call
/// <c>[TOOL_CALLS]name[ARGS]{...}</c> (from version 11, at first with a <c>[CALL_ID]</c>).
/// </summary>
internal sealed class MistralStyle : ToolStyle
{
    private const string Begin = "[TOOL_CALLS]", Arguments = "[ARGS]", CallId = "[CALL_ID]";

    public override string Name => "mistral";

    internal override IReadOnlyList<string> Markers { get; } = [Begin, Arguments, CallId];

    // Its templates refuse any other length.
    internal override string NewId() => RandomNumberGenerator.GetString("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 9);

    internal override IEnumerable<Need> Read(Answer answer)
    {
        while (true)
        {
            yield return new TextUntil(answer.Content, Begin);
            Optional list = new("[");
            yield return list;
            if (list.Found)
            {
                for (Need more = list; more.Found;)
                {
                    CallObject call = new(answer);
                    yield return call;
                    if (!answer.Accept(call))
                        break;
                    yield return more = new Optional(",");
                }
                yield return new Optional("]");
                continue;
            }
            Capture name = new(Arguments, CallId, "{"), id = new(Arguments, "{");
            yield return name;
            Optional hasId = new(CallId);
            yield return hasId;
            if (hasId.Found)
                yield return id;
            yield return new Optional(Arguments);
            ArgumentsObject arguments = new(answer, name.Text.Trim(), id.Found ? id.Text.Trim() : null);
            yield return arguments;
            answer.Accept(arguments);
        }
    }

    internal override Expression Calls(AnswerSyntax syntax)
    {
        if (!syntax.Knows(Arguments))
        {
            return Expression.Then(
                syntax.Text(Begin, "["), syntax.Calls(tool => syntax.CallObject(tool, "arguments"), ", "), syntax.Text("]"));
        }
        Expression id = Expression.Then(syntax.Text(CallId), RegexParser.Parse("[a-zA-Z0-9]{9}", Utf8Bytes.Of, isSearch: false));
        return syntax.Calls(tool => Expression.Then(
            syntax.Text(Begin, tool.Name), syntax.Knows(CallId) ? id : Expression.Empty, syntax.Text(Arguments), syntax.Arguments(tool)));
    }

    internal override string Write(IReadOnlyList<ChatToolCall> calls, string template) => template.Contains(Arguments)
        ? string.Concat(calls.Select(call => $"{Begin}{call.Name}{(template.Contains(CallId) ? CallId + call.Id : "")}{Arguments}{call.Arguments}"))
        : $"{Begin}[{string.Join(", ", calls.Select(call => Object(call, "arguments")))}]";

    private protected override bool Knows(string template) => template.Contains(Begin);
}
