using Sluice.Tokenizers.Templates.Functions;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Nodes;

/// <summary>
/// <c>loop</c>: where a loop is. It reads one element ahead if asked for the last or the next one, and all of them if asked how
/// many there are.
/// </summary>
internal sealed class LoopValue(
    ForStatement statement, Scope outer, object? source, IEnumerable<object?> elements, bool isWhole, int depth, Budget budget)
    : Callable
{
    private readonly IEnumerator<object?> _elements = elements.GetEnumerator();
    private readonly Queue<object?> _ahead = [];
    private long? _length;
    private int _index = -1;
    private object? _previous;
    private object? _lastChecked;
    private bool _everChecked;

    public override string TypeName => "LoopContext";

    public override string CallName => "loop";

    public override void WriteRepr(ValueWriter writer) => writer.Write($"<LoopContext {_index + 1}/{Length}>");

    public object? Current { get; private set; }

    public bool MoveNext()
    {
        _previous = Current;
        if (!Peek(out object? next))
            return false;
        _ = _ahead.Dequeue();
        Current = next;
        _index++;
        return true;
    }

    public override long? Length => _length ??= Count();

    public override bool TryGetAttribute(string name, out object? value)
    {
        value = name switch
        {
            "index" => _index + 1L,
            "index0" => (long)_index,
            "first" => _index == 0,
            "last" => !Peek(out _),
            "length" => Length,
            "revindex" => Length - _index,
            "revindex0" => Length - _index - 1,
            "previtem" => _index == 0 ? new Undefined("there is no previous item") : _previous,
            "nextitem" => Peek(out object? next) ? next : new Undefined("there is no next item"),
            "depth" => depth + 1L,
            "depth0" => (long)depth,
            "cycle" => new Function("cycle", (_, arguments) => Cycle(arguments.Positional)),
            "changed" => new Function("changed", (_, arguments) => Changed(arguments.Positional)),
            _ => this,
        };
        return value != this;
    }

    public override object? Call(Renderer renderer, CallArguments arguments)
    {
        object?[] values = arguments.Bind("loop", ("iterable", CallArguments.Required));
        return statement.Recurse(renderer, outer, values[0], depth + 1);
    }

    private bool Peek(out object? next)
    {
        if (_ahead.TryPeek(out next))
            return true;
        if (!_elements.MoveNext())
            return false;
        next = _elements.Current;
        _ahead.Enqueue(next);
        return true;
    }

    private long Count()
    {
        if (isWhole && TemplateValue.Length(source) is { } length)
            return length;
        while (_elements.MoveNext())
            _ahead.Enqueue(_elements.Current);
        return _index + 1 + _ahead.Count;
    }

    private object? Cycle(object?[] values) => values.Length > 0
        ? values[_index % values.Length]
        : throw new TemplateException("no items for cycling given");

    private bool Changed(object?[] values)
    {
        TupleValue now = new(values);
        if (_everChecked && Equality.AreEqual(_lastChecked, now, budget))
            return false;
        (_everChecked, _lastChecked) = (true, now);
        return true;
    }
}
