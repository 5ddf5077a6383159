using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Nodes;

/// <summary>A body whose assignments stay in it.</summary>
/// <param name="line">Where it stands.</param>
/// <param name="body">What it does.</param>
/// <param name="fromRoot">Whether it sees only the template's own variables, not those of the scopes around it.</param>
internal sealed class ScopeBlock(int line, Statement[] body, bool fromRoot = false) : Statement(line)
{
    public override Flow Execute(Renderer renderer) =>
        renderer.RunIn(new Scope(fromRoot ? renderer.Root : renderer.Scope), body);
}

/// <summary><c>{% set name | filter %}...{% endset %}</c></summary>
internal sealed class SetBlock(int line, Target target, FilterExpression? filter, Statement[] body) : Statement(line)
{
    public override Flow Execute(Renderer renderer)
    {
        object? text = renderer.Capture(new Scope(renderer.Scope), body, out Flow flow);
        if (flow != Flow.Next)
            return flow;
        target.Assign(renderer, renderer.Scope, filter is null ? text : filter.Evaluate(renderer, text));
        return Flow.Next;
    }
}

/// <summary><c>{% filter name %}...{% endfilter %}</c></summary>
internal sealed class FilterBlock(int line, FilterExpression filter, Statement[] body) : Statement(line)
{
    public override Flow Execute(Renderer renderer)
    {
        string text = renderer.Capture(new Scope(renderer.Scope), body, out Flow flow);
        if (flow == Flow.Next)
            renderer.Output.WriteText(filter.Evaluate(renderer, text));
        return flow;
    }
}

/// <summary><c>{% with a = 1 %}...{% endwith %}</c>: the values are computed outside.</summary>
internal sealed class WithStatement(int line, (Target Target, Expression Value)[] values, Statement[] body) : Statement(line)
{
    public override Flow Execute(Renderer renderer)
    {
        Scope scope = new(renderer.Scope);
        foreach ((Target target, Expression value) in values)
            target.Assign(renderer, scope, renderer.Evaluate(value));
        return renderer.RunIn(scope, body);
    }
}
