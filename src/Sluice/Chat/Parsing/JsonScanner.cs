namespace Sluice.Chat.Parsing;

/// <summary>Checks a JSON object character by character (RFC 8259), so that it is known at once where a text stops being one.</summary>
internal sealed class JsonScanner
{
    private const int MaxDepth = 256;

    private readonly Stack<bool> _isObject = []; // of the open objects and arrays
    private State _state = State.Start;
    private bool _isKey;
    private int _hexDigits;
    private string _literal = "";
    private int _matched;

    private enum State
    {
        Start, FirstKey, Key, Colon, FirstItem, Value, AfterValue, Text, Escape, Hex, Literal, Complete,
        Minus, Zero, Integer, Point, Fraction, Exponent, ExponentSign, ExponentDigits,
    }

    /// <summary>How many objects and arrays are open.</summary>
    public int Depth => _isObject.Count;

    /// <summary>Whether the next character belongs to a string.</summary>
    public bool IsInText => _state is State.Text or State.Escape or State.Hex;

    /// <summary>Whether the object is closed.</summary>
    public bool IsComplete => _state == State.Complete;

    /// <summary>Takes in the next character.</summary>
    /// <returns>Whether it may stand there.</returns>
    public bool Read(char c) => _state switch
    {
        State.Start => c == '{' && Open(true),
        State.Text => c switch
        {
            '"' => Go(_isKey ? State.Colon : State.AfterValue),
            '\\' => Go(State.Escape),
            _ => c >= ' ',
        },
        State.Escape => c == 'u' ? Hex(0) : "\"\\/bfnrt".Contains(c) && Go(State.Text),
        State.Hex => char.IsAsciiHexDigit(c) && Hex(_hexDigits + 1),
        State.Literal => c == _literal[_matched] && (++_matched < _literal.Length || Go(State.AfterValue)),
        State.Minus => Digit(c, State.Zero, State.Integer),
        State.Point => char.IsAsciiDigit(c) && Go(State.Fraction),
        State.Exponent => c is '+' or '-' ? Go(State.ExponentSign) : char.IsAsciiDigit(c) && Go(State.ExponentDigits),
        State.ExponentSign => char.IsAsciiDigit(c) && Go(State.ExponentDigits),
        State.Integer or State.Fraction or State.ExponentDigits when char.IsAsciiDigit(c) => true,
        State.Zero or State.Integer when c == '.' => Go(State.Point),
        State.Zero or State.Integer or State.Fraction when c is 'e' or 'E' => Go(State.Exponent),
        State.Complete => false,
        _ when IsSpace(c) => _state is < State.Zero || Go(State.AfterValue),
        State.FirstKey when c == '}' => Close(true),
        State.FirstKey or State.Key => c == '"' && Begin(isKey: true),
        State.Colon => c == ':' && Go(State.Value),
        State.FirstItem when c == ']' => Close(false),
        State.FirstItem or State.Value => Value(c),
        _ => c switch // after a value, or after a number's last digit
        {
            ',' => Go(_isObject.Peek() ? State.Key : State.Value),
            '}' or ']' => Close(c == '}'),
            _ => false,
        },
    };

    /// <summary>JSON's white space.</summary>
    public static bool IsSpace(char c) => c is ' ' or '\n' or '\r' or '\t';

    private bool Value(char c) => c switch
    {
        '{' or '[' => Open(c == '{'),
        '"' => Begin(isKey: false),
        't' => Word("true"),
        'f' => Word("false"),
        'n' => Word("null"),
        '-' => Go(State.Minus),
        _ => Digit(c, State.Zero, State.Integer),
    };

    private bool Digit(char c, State zero, State other) => char.IsAsciiDigit(c) && Go(c == '0' ? zero : other);

    private bool Begin(bool isKey)
    {
        _isKey = isKey;
        return Go(State.Text);
    }

    private bool Word(string literal)
    {
        (_literal, _matched) = (literal, 1);
        return Go(State.Literal);
    }

    private bool Hex(int digits)
    {
        _hexDigits = digits;
        return Go(digits == 4 ? State.Text : State.Hex);
    }

    private bool Open(bool isObject)
    {
        _isObject.Push(isObject);
        return _isObject.Count <= MaxDepth && Go(isObject ? State.FirstKey : State.FirstItem);
    }

    private bool Close(bool isObject) =>
        _isObject.Pop() == isObject && Go(_isObject.Count == 0 ? State.Complete : State.AfterValue);

    private bool Go(State state)
    {
        _state = state;
        return true;
    }
}
