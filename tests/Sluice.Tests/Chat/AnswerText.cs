using System.Text;
using System.Text.Json;
using Sluice.Chat;
using Sluice.Chat.Parsing;
using Sluice.Chat.Styles;

namespace Sluice.Tests.Chat;

/// <summary>Answers of models as texts, and what becomes of them.</summary>
internal static class AnswerText
{
    public static readonly ChatTool[] Tools =
    [
        new("get_weather")
        {
            Parameters = JsonElement.Parse("""
                {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "code": {"type": ["string", "null"]}}}
                """),
        },
        new("get_time"),
    ];

    /// <summary>Reads a text in one piece, in single characters, cut in two at each place, and in random pieces: it must always be the same.</summary>
    public static string Read(string text, ToolStyle? style, ReasoningStyle? reasoning = null, bool isOpen = false, bool wholeCalls = false, int maxCalls = int.MaxValue)
    {
        string expected = Pieces([text]);
        Assert.Equal(expected, Pieces([.. text.Select(c => c.ToString())]));
        for (int cut = 1; cut < text.Length; cut++)
            Assert.Equal(expected, Pieces([text[..cut], text[cut..]]));
        Random random = new(1);
        for (int round = 0; round < 200; round++)
        {
            List<string> pieces = [];
            for (int at = 0, length; at < text.Length; at += length)
                pieces.Add(text.Substring(at, length = Math.Min(random.Next(0, 12), text.Length - at)));
            Assert.Equal(expected, Pieces(pieces));
        }
        return expected;

        string Pieces(IReadOnlyList<string> pieces)
        {
            Answer answer = new(Tools, () => "id", maxCalls, wholeCalls);
            IEnumerable<Need> needs = style?.Read(answer) ?? [new TextUntil(answer.Content)];
            AnswerParser parser = new(answer, reasoning?.Read(answer, isOpen, needs) ?? needs);
            return Write([.. pieces.SelectMany(parser.Append), .. parser.Complete()]);
        }
    }

    /// <summary>What was said, <c>(thought)</c> and <c>[0 id name arguments]</c>, in their order.</summary>
    public static string Write(IEnumerable<ChatDelta> deltas)
    {
        StringBuilder text = new();
        char last = ' ';
        foreach (ChatDelta delta in deltas)
        {
            (char kind, string begin, string more) = delta switch
            {
                ContentDelta content => ('c', "", content.Text),
                ReasoningDelta thought => ('r', "(", thought.Text),
                ToolCallStart call => ('s', $"[{call.Index} {call.Id} {call.Name} ", ""),
                ToolArgumentsDelta arguments => ('s', "", arguments.Text),
                _ => throw new InvalidOperationException(),
            };
            if (kind != last || begin.StartsWith('['))
                text.Append(End(last)).Append(begin);
            text.Append(more);
            last = kind;
        }
        return text.Append(End(last)).ToString();

        static string End(char kind) => kind switch { 'r' => ")", 's' => "]", _ => "" };
    }
}
