using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Nodes;

internal sealed class Constant(int line, object? value) : Expression(line)
{
    public object? Value { get; } = value;

    public override object? Evaluate(Renderer renderer) => Value;
}

internal sealed class Variable(int line, string name) : Expression(line)
{
    public override object? Evaluate(Renderer renderer) => renderer.Lookup(name);
}

internal sealed class TupleExpression(int line, Expression[] items) : Expression(line)
{
    public override object? Evaluate(Renderer renderer) => new TupleValue(renderer.Evaluate(items));
}

internal sealed class ListExpression(int line, Expression[] items) : Expression(line)
{
    public override object? Evaluate(Renderer renderer) => new ListValue(renderer.Evaluate(items));
}

internal sealed class DictExpression(int line, (Expression Key, Expression Value)[] items) : Expression(line)
{
    public override object? Evaluate(Renderer renderer)
    {
        DictValue dict = new();
        foreach ((Expression key, Expression value) in items)
            dict.Set(renderer.Evaluate(key), renderer.Evaluate(value), renderer.Budget);
        return dict;
    }
}
