using System.Text;
using System.Text.Json;

namespace Sluice.Chat.Parsing;

/// <summary>A JSON object, after white space, which is read character by character.</summary>
internal abstract class ObjectNeed : Need
{
    private bool _hasBegun;

    protected JsonScanner Json { get; } = new();

    public override int Read(ReadOnlySpan<char> text, bool isEnd)
    {
        int start = 0; // of the object's characters in this text
        for (int i = 0; i < text.Length; i++)
        {
            if (!_hasBegun && JsonScanner.IsSpace(text[i]))
            {
                start = i + 1;
                continue;
            }
            _hasBegun = true;
            if (!Read(text[i]))
                return Finish(text, start, i, false);
            if (Json.IsComplete)
                return Finish(text, start, i + 1, true);
        }
        ReadTo(text[Math.Min(start, text.Length)..]);
        return isEnd ? Done(false, text.Length) : text.Length;
    }

    /// <summary>Takes in a character.</summary>
    /// <returns>Whether it may stand there.</returns>
    protected abstract bool Read(char c);

    /// <summary>The characters that were taken in last, together.</summary>
    protected virtual void ReadTo(ReadOnlySpan<char> text)
    {
    }

    /// <summary>The object is complete.</summary>
    /// <returns>Whether it is what it should be.</returns>
    protected virtual bool Close() => true;

    private int Finish(ReadOnlySpan<char> text, int start, int end, bool isComplete)
    {
        ReadTo(text[start..end]);
        return Done(isComplete && Close(), end);
    }
}

/// <summary>The arguments of a call whose tool is known: a JSON object.</summary>
internal sealed class ArgumentsObject(Answer answer, string name, string? id = null) : ObjectNeed
{
    private bool _isCall;

    protected override bool Read(char c) => Json.Read(c) && (_isCall || (_isCall = answer.TryBegin(name, id)));

    protected override void ReadTo(ReadOnlySpan<char> text)
    {
        if (_isCall && !text.IsEmpty)
            answer.Arguments(text);
    }
}

/// <summary>A call as a JSON object: <c>{"name": "f", "arguments": {...}}</c>, or "parameters"; other members say nothing.</summary>
internal sealed class CallObject(Answer answer) : ObjectNeed
{
    private readonly StringBuilder _piece = new(); // the key or the value that is being read
    private string? _key, _name, _arguments;
    private bool _isCall, _isSending;

    protected override bool Read(char c)
    {
        (int depth, bool isText) = (Json.Depth, Json.IsInText);
        if (!Json.Read(c))
            return false;
        if (depth == 0)
            return true;
        if (_isSending)
        {
            answer.Arguments([c]);
            _isSending = Json.Depth > 1;
            return true;
        }
        if (depth > 1 || isText || c is not (':' or ',' or '}'))
        {
            // Arguments after the name go out as they come.
            if (depth == 1 && !isText && c == '{' && IsArguments && _name is not null)
                return Begin(c);
            _piece.Append(c);
            return true;
        }
        string piece = _piece.ToString().Trim();
        _piece.Clear();
        if (c == ':')
            return TryDecode(piece, out _key);
        if (_key == "name" && (!TryDecode(piece, out _name) || answer.Tool(_name!) is null))
            return false;
        if (IsArguments && !_isCall)
            _arguments = piece;
        return true;
    }

    protected override bool Close()
    {
        if (!_isCall)
        {
            string? arguments = Unwrap(_arguments ?? "{}");
            if (_name is null || arguments is null || !answer.TryBegin(_name))
                return false;
            answer.Arguments(arguments);
        }
        return true;
    }

    private bool IsArguments => _key is "arguments" or "parameters";

    private bool Begin(char c)
    {
        if (!answer.TryBegin(_name!))
            return false;
        answer.Arguments([c]);
        return _isCall = _isSending = true;
    }

    /// <summary>An object as it is, or out of a string: models that saw OpenAI's API write it so.</summary>
    private static string? Unwrap(string value) =>
        value.StartsWith('{') ? value
        : TryDecode(value, out string? text) && text!.TrimStart().StartsWith('{') && IsJson(text) ? text
        : null;

    private static bool TryDecode(string json, out string? text)
    {
        text = null;
        try
        {
            JsonElement value = JsonElement.Parse(json);
            text = value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            // Halves of surrogate pairs make no text.
        }
        return text is not null;
    }

    private static bool IsJson(string text)
    {
        JsonScanner scanner = new();
        return text.Trim().All(scanner.Read) && scanner.IsComplete;
    }
}
