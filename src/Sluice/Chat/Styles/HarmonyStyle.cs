using Sluice.Chat.Parsing;

namespace Sluice.Chat.Styles;

/// <summary>
/// GPT-oss: an answer is messages, each with a channel: <c>analysis</c> is what it thinks, <c>final</c> and <c>commentary</c> what it says, and a
/// message <c>to=functions.NAME</c> is a call, its text the arguments.
/// </summary>
internal sealed class HarmonyStyle : ToolStyle
{
    private const string
        Start = "<|start|>", Channel = "<|channel|>", Message = "<|message|>", Constrain = "<|constrain|>",
        End = "<|end|>", Return = "<|return|>", Call = "<|call|>";

    public override string Name => "harmony";

    internal override bool HasChannels => true;

    internal override IReadOnlyList<string> Markers { get; } = [Start, Channel, Message, Constrain, End, Return, Call];

    internal override IEnumerable<Need> Read(Answer answer)
    {
        string[] ends = [End, Return, Call, Start];
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
                    End, Return, Call);
                continue;
            }
            yield return new Optional(Message);
            const string functions = "functions.";
            if (Word(header.Text, "to=") is { Length: > 0 } recipient)
            {
                ArgumentsObject arguments = new(answer, recipient.StartsWith(functions, StringComparison.Ordinal) ? recipient[functions.Length..] : recipient);
                yield return arguments;
                answer.Accept(arguments);
                yield return new TextUntil(answer.Content, ends);
                continue;
            }
            bool isThought = Word(header.Text, Channel) == "analysis";
            answer.BeginParagraph();
            if (isThought)
                answer.BeginReasoning();
            yield return new TextUntil(isThought ? answer.Reasoning : answer.Content, ends);
            if (isThought)
                answer.EndReasoning();
        }
    }

    private protected override bool Knows(string template) => template.Contains(Channel) && template.Contains("to=functions.");

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
