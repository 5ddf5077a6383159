namespace Sluice.Chat.Parsing;

/// <summary>
/// Runs a style's parser over a text that comes in pieces, however they are cut. The parser is an iterator that says what it
/// expects next; it goes on when that is found or known to be absent.
/// </summary>
internal sealed class AnswerParser(Answer answer, IEnumerable<Need> needs)
{
    private readonly IEnumerator<Need> _needs = needs.GetEnumerator();
    private string _rest = ""; // what was not read yet
    private bool _hasBegun;

    /// <summary>Takes in the next piece.</summary>
    /// <returns>What is certain now.</returns>
    public IReadOnlyList<ChatDelta> Append(string text)
    {
        _rest += text;
        Run();
        return answer.Take();
    }

    /// <summary>The text has ended.</summary>
    /// <returns>What was held back.</returns>
    public IReadOnlyList<ChatDelta> Complete()
    {
        answer.IsEnding = true;
        Run();
        answer.Complete();
        return answer.Take();
    }

    private void Run()
    {
        if (!_hasBegun)
            _hasBegun = _needs.MoveNext();
        int read = 0;
        while (!answer.IsDone)
        {
            Need need = _needs.Current;
            ReadOnlySpan<char> text = _rest.AsSpan(read);
            int taken = need.Read(text, answer.IsEnding);
            answer.Keep(text[need.Settled..taken]);
            read += taken;
            if (!need.IsDone || (need is TextUntil { Found: false } && answer.IsEnding))
                break;
            _needs.MoveNext();
            if (_needs.Current is TextUntil)
                answer.Drop();
        }
        _rest = _rest[read..];
    }
}
