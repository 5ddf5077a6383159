using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>What <c>cycler(...)</c> gives: values in turn.</summary>
internal sealed class Cycler(object?[] items) : TemplateObject
{
    private int _index;

    public override string TypeName => "Cycler";

    public override bool IsTrue => true;

    public override bool TryGetAttribute(string name, out object? value)
    {
        value = name switch
        {
            "current" => items[_index],
            "next" => new Function("next", (_, _) => Next()),
            "reset" => new Function("reset", (_, _) => Reset()),
            _ => this,
        };
        return value != this;
    }

    private object? Next()
    {
        object? value = items[_index];
        _index = (_index + 1) % items.Length;
        return value;
    }

    private object? Reset()
    {
        _index = 0;
        return null;
    }
}

/// <summary>What <c>joiner(separator)</c> gives: nothing when it is first called, then the separator.</summary>
internal sealed class Joiner(object? separator) : Callable
{
    private bool _used;

    public override string TypeName => "Joiner";

    public override string CallName => "joiner";

    public override object? Call(Renderer renderer, CallArguments arguments)
    {
        object? value = _used ? separator : "";
        _used = true;
        return value;
    }
}
