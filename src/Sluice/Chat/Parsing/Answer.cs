using System.Text;

namespace Sluice.Chat.Parsing;

/// <summary>
/// An answer as it is taken apart: what is certain of it goes out as deltas, what may yet prove to be no call is kept. A call
/// begins to go out with its arguments' first character; where <paramref name="wholeCalls"/>, once it is complete, so that a
/// call that breaks off is content instead.
/// </summary>
/// <param name="tools">The tools that may be called: a call of any other is content.</param>
/// <param name="newId">Makes the ids of calls.</param>
/// <param name="maxCalls">After so many calls the answer is done.</param>
/// <param name="wholeCalls">Whether calls go out only once they are complete.</param>
internal sealed class Answer(IReadOnlyCollection<ChatTool> tools, Func<string> newId, int maxCalls, bool wholeCalls)
{
    private readonly StringBuilder _raw = new(); // text that was read of a call and is lost if it proves to be none
    private readonly StringBuilder _arguments = new(); // of the call under way, that did not go out
    private List<ChatDelta> _deltas = [];
    private string _space = ""; // white space that ends the content so far: dropped before calls, and after reasoning
    private string _reasoningSpace = "";
    private bool _hasContent, _hasReasoning, _wasReasoning, _isOut;
    private ToolCallStart? _call; // under way

    /// <summary>How many calls there are, the one under way included.</summary>
    public int Calls { get; private set; }

    /// <summary>Whether the model thinks now.</summary>
    public bool IsReasoning { get; private set; }

    /// <summary>Whether no more text will come.</summary>
    public bool IsEnding { get; set; }

    /// <summary>Whether nothing more is wanted: all calls are made that may be.</summary>
    public bool IsDone => Calls == maxCalls && _call is null;

    /// <summary>A tool that may be called.</summary>
    public ChatTool? Tool(string name) => tools.FirstOrDefault(tool => tool.Name == name);

    /// <summary>What came since the last time.</summary>
    public IReadOnlyList<ChatDelta> Take()
    {
        List<ChatDelta> taken = _deltas;
        _deltas = [];
        return taken;
    }

    /// <summary>Adds to the content. White space beside calls and reasoning is dropped.</summary>
    public void Content(ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> said = text.TrimEnd();
        if (said.IsEmpty)
        {
            _space += text.ToString();
            return;
        }
        bool isFirst = !_hasContent && (_wasReasoning || Calls > 0);
        Add(new ContentDelta(isFirst ? said.TrimStart().ToString() : string.Concat(_space, said)));
        (_hasContent, _space) = (true, text[said.Length..].ToString());
    }

    /// <summary>Adds to what the model thinks. White space around it is dropped.</summary>
    public void Reasoning(ReadOnlySpan<char> text)
    {
        ReadOnlySpan<char> thought = text.TrimEnd();
        if (!thought.IsEmpty)
        {
            Add(new ReasoningDelta(_hasReasoning ? string.Concat(_reasoningSpace, thought) : thought.TrimStart().ToString()));
            (_hasReasoning, _reasoningSpace) = (true, "");
        }
        _reasoningSpace += text[thought.Length..].ToString();
    }

    /// <summary>The model begins to think.</summary>
    public void BeginReasoning() => IsReasoning = true;

    /// <summary>What it thinks ends, be it empty: the content begins without white space.</summary>
    public void EndReasoning() => (IsReasoning, _wasReasoning) = (false, true);

    /// <summary>More content or more reasoning begins, which stands apart from what came before.</summary>
    public void BeginParagraph()
    {
        if (_hasContent)
            _space = "\n\n";
        if (_hasReasoning)
            _reasoningSpace = "\n\n";
    }

    /// <summary>Keeps text that was read of a call.</summary>
    public void Keep(ReadOnlySpan<char> text) => _raw.Append(text);

    /// <summary>A call begins.</summary>
    /// <returns>Whether there is such a tool.</returns>
    public bool TryBegin(string name, string? id = null)
    {
        if (Calls == maxCalls || Tool(name) is null)
            return false;
        _call = new ToolCallStart(Calls++, id ?? newId(), name);
        _isOut = false;
        return true;
    }

    /// <summary>Adds to the arguments of the call.</summary>
    public void Arguments(ReadOnlySpan<char> text)
    {
        _arguments.Append(text);
        if (!wholeCalls)
            SendCall();
    }

    /// <summary>What was read belongs to nothing that is shown.</summary>
    public void Drop() => _raw.Clear();

    /// <summary>The call is complete where it was found, and text where it was not.</summary>
    /// <returns>Whether it was.</returns>
    public bool Accept(Need call)
    {
        if (call.Found)
            EndCall();
        else
            Fail();
        return call.Found;
    }

    /// <summary>The call is complete.</summary>
    public void EndCall()
    {
        SendCall();
        _call = null;
        _raw.Clear();
    }

    /// <summary>
    /// What was read is no call: content, unless the call went out already. A call that only lacks its end, as answers of limited
    /// length may, goes out as it is.
    /// </summary>
    public void Fail()
    {
        if (_call is not null && IsEnding && _arguments.Length > 0)
            SendCall();
        if (_call is null || !_isOut)
            Content(_raw.ToString());
        if (_call is not null && !_isOut)
            Calls--;
        _call = null;
        _raw.Clear();
        _arguments.Clear();
    }

    /// <summary>The text has ended, and all of it was read.</summary>
    public void Complete()
    {
        if (_raw.Length > 0)
            Fail();
        if (_space.Length > 0 && Calls == 0 && (_hasContent || !_wasReasoning))
            Add(new ContentDelta(_space));
        _space = "";
    }

    private void SendCall()
    {
        if (!_isOut)
            _deltas.Add(_call!);
        (_isOut, _space) = (true, "");
        if (_arguments.Length > 0)
            Add(new ToolArgumentsDelta(_call!.Index, _arguments.ToString()));
        _arguments.Clear();
    }

    /// <summary>Adds a delta, to the last if that is of the same kind.</summary>
    private void Add(ChatDelta delta)
    {
        ChatDelta? joined = (_deltas.LastOrDefault(), delta) switch
        {
            (ContentDelta before, ContentDelta after) => new ContentDelta(before.Text + after.Text),
            (ReasoningDelta before, ReasoningDelta after) => new ReasoningDelta(before.Text + after.Text),
            (ToolArgumentsDelta before, ToolArgumentsDelta after) when before.Index == after.Index => before with { Text = before.Text + after.Text },
            _ => null,
        };
        if (joined is null)
            _deltas.Add(delta);
        else
            _deltas[^1] = joined;
    }
}
