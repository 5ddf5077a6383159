using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Nodes;

/// <summary><c>a.b</c>: the attribute b, or else the element b.</summary>
internal sealed class AttributeExpression(int line, Expression target, string name) : Expression(line)
{
    public override object? Evaluate(Renderer renderer) => Access.Attribute(renderer.Evaluate(target), name, renderer.Budget);
}

/// <summary><c>a[b]</c>: the element b, or else the attribute b.</summary>
internal sealed class Subscript(int line, Expression target, Expression key) : Expression(line)
{
    public override object? Evaluate(Renderer renderer) =>
        Access.Element(renderer.Evaluate(target), renderer.Evaluate(key), renderer.Budget);
}

/// <summary><c>target[start:stop:step]</c></summary>
internal sealed class SliceExpression(int line, Expression target, Expression? start, Expression? stop, Expression? step)
    : Expression(line)
{
    public override object? Evaluate(Renderer renderer) => Access.Part(
        renderer.Evaluate(target), new Slice(Part(start, renderer), Part(stop, renderer), Part(step, renderer)), renderer.Budget);

    private static object? Part(Expression? part, Renderer renderer) => part is null ? null : renderer.Evaluate(part);
}
