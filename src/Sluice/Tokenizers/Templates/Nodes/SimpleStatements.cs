using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Nodes;

/// <summary>Text outside of tags.</summary>
internal sealed class PlainText(int line, string text) : Statement(line)
{
    public override Flow Execute(Renderer renderer)
    {
        renderer.Output.Write(text);
        return Flow.Next;
    }
}

/// <summary><c>{{ value }}</c></summary>
internal sealed class Print(int line, Expression value) : Statement(line)
{
    public override Flow Execute(Renderer renderer)
    {
        renderer.Output.WriteText(renderer.Evaluate(value));
        return Flow.Next;
    }
}

/// <summary><c>{% print a, b %}</c></summary>
internal sealed class PrintAll(int line, Expression[] values) : Statement(line)
{
    public override Flow Execute(Renderer renderer)
    {
        foreach (Expression value in values)
            renderer.Output.WriteText(renderer.Evaluate(value));
        return Flow.Next;
    }
}

/// <summary><c>{% break %}</c> and <c>{% continue %}</c></summary>
internal sealed class Jump(int line, Flow flow) : Statement(line)
{
    public override Flow Execute(Renderer renderer) => flow;
}

internal sealed class IfStatement(int line, (Expression Test, Statement[] Body)[] branches, Statement[] otherwise) : Statement(line)
{
    public override Flow Execute(Renderer renderer)
    {
        foreach ((Expression test, Statement[] body) in branches)
        {
            if (TemplateValue.IsTrue(renderer.Evaluate(test)))
                return renderer.Run(body);
        }
        return renderer.Run(otherwise);
    }
}

internal sealed class SetStatement(int line, Target target, Expression value) : Statement(line)
{
    public override Flow Execute(Renderer renderer)
    {
        target.Assign(renderer, renderer.Scope, renderer.Evaluate(value));
        return Flow.Next;
    }
}
