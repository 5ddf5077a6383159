using Sluice.Chat.Parsing;
using Sluice.Grammars.Syntax;
using Sluice.Tokenizers.Templates;

namespace Sluice.Chat.Styles;

/// <summary>
/// GPT-oss: an answer is messages, each with a channel: <c>analysis</c> is what it thinks, <c>final</c> and <c>commentary</c> what it says, and a
/// message <c>to=functions.NAME</c> is a call, its text the arguments.
/// </summary>
internal sealed class HarmonyStyle : ToolStyle
{
    private const string
        Start = "<|start|>", Channel = "<|channel|>", Message = "<|message|>", Constrain = "<|constrain|>",
        End = "<|end|>", Return = "<|return|>", EndCall = "<|call|>";

    private static readonly string[] Ends = [End, Return, EndCall, Start];

    public override string Name => "harmony";

    internal override bool HasChannels => true;

    internal override IReadOnlyList<string> Markers { get; } = [Start, Channel, Message, Constrain, End, Return, EndCall];

    internal override IEnumerable<Need> Read(Answer answer)
    {
        while (true)
        {
            answer.Drop();
            Capture header = new(Message);
            yield return header;
            if (!header.Found)
            {
                // A header that was cut says nothing.
                yield return new TextUntil(
                    text =>
                    {
                        if (!answer.IsEnding || !text.TrimStart().StartsWith("<|", StringComparison.Ordinal))
                            answer.Content(text);
                    },
                    End, Return, EndCall);
                continue;
            }
            yield return new Optional(Message);
            const string functions = "functions.";
            if (Word(header.Text, "to=") is { Length: > 0 } recipient)
            {
                ArgumentsObject arguments = new(answer, recipient.StartsWith(functions, StringComparison.Ordinal) ? recipient[functions.Length..] : recipient);
                yield return arguments;
                answer.Accept(arguments);
                yield return new TextUntil(answer.Content, Ends);
                continue;
            }
            bool isThought = Word(header.Text, Channel) == "analysis";
            answer.BeginParagraph();
            if (isThought)
                answer.BeginReasoning();
            yield return new TextUntil(isThought ? answer.Reasoning : answer.Content, Ends);
            if (isThought)
                answer.EndReasoning();
        }
    }

    internal override Expression Calls(AnswerSyntax syntax) => Expression.Then(Preamble(syntax, "analysis").Optional(), Call(syntax));

    internal override Expression Answer(AnswerSyntax syntax, Expression? content)
    {
        Expression text = content ?? syntax.Without(Ends), final = Expression.Then(syntax.Text(Channel, "final", Message), text);
        return Expression.Then(
            Expression.Any(Preamble(syntax, "analysis"), Preamble(syntax, "commentary")).Times(0, 8),
            syntax.HasTools ? Expression.Any(Call(syntax), final) : final);
    }

    internal override string Write(IReadOnlyList<ChatToolCall> calls, string template) =>
        string.Concat(calls.Select(call => $"{Channel}commentary to=functions.{call.Name} {Constrain}json{Message}{call.Arguments}{EndCall}"));

    private protected override bool Knows(string template) => template.Contains(Channel) && template.Contains(Message);

    /// <summary>A call, which ends the turn.</summary>
    private static Expression Call(AnswerSyntax syntax) => syntax.OneCall(tool => Expression.Then(
        syntax.Text(Channel, $"commentary to=functions.{tool.Name} ", Constrain, "json", Message), syntax.Arguments(tool)));

    /// <summary>A message that another follows.</summary>
    private static Expression Preamble(AnswerSyntax syntax, string channel) =>
        Expression.Then(syntax.Text(Channel, channel, Message), syntax.Without(Ends), syntax.Text(End, Start, ChatFormat.Assistant));

    private static string Word(string header, string before)
    {
        int start = header.IndexOf(before, StringComparison.Ordinal);
        if (start < 0)
            return "";
        ReadOnlySpan<char> rest = header.AsSpan(start + before.Length);
        int end = rest.IndexOfAny(" <\n");
        return (end < 0 ? rest : rest[..end]).ToString();
    }
}
