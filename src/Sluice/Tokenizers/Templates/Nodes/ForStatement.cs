using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Nodes;

/// <summary><c>{% for target in source if test recursive %}...{% else %}...{% endfor %}</c></summary>
internal sealed class ForStatement(
    int line, Target target, Expression source, Expression? test, bool recursive, Statement[] body, Statement[] otherwise)
    : Statement(line)
{
    public override Flow Execute(Renderer renderer) =>
        Run(renderer, renderer.Scope, renderer.Evaluate(source), depth: 0);

    /// <summary>What <c>loop(source)</c> in a recursive loop gives: the loop over that, as text.</summary>
    public string Recurse(Renderer renderer, Scope outer, object? elements, int depth)
    {
        if (!recursive)
            throw new TemplateException("The loop must have the 'recursive' marker to be called recursively.");
        return renderer.Capture(() => _ = Run(renderer, outer, elements, depth));
    }

    private Flow Run(Renderer renderer, Scope outer, object? elements, int depth)
    {
        LoopValue loop = new(this, outer, elements, Chosen(renderer, outer, elements), test is null, depth, renderer.Budget);
        bool any = false;
        while (loop.MoveNext())
        {
            any = true;
            Scope scope = new(outer);
            scope.Set("loop", loop);
            target.Assign(renderer, scope, loop.Current);
            if (renderer.RunIn(scope, body) == Flow.Break)
                break;
        }
        // A jump in the else part is one of the loop around this.
        return any ? Flow.Next : renderer.RunIn(new Scope(outer), otherwise);
    }

    // The test is made when its element's turn comes: what the body changed before counts.
    private IEnumerable<object?> Chosen(Renderer renderer, Scope outer, object? elements)
    {
        foreach (object? element in TemplateValue.Iterate(elements))
        {
            renderer.Budget.Charge(1);
            if (test is not null)
            {
                Scope scope = new(outer);
                scope.Set("loop", new Undefined("'loop' is undefined"));
                target.Assign(renderer, scope, element);
                if (!TemplateValue.IsTrue(renderer.EvaluateIn(scope, test)))
                    continue;
            }
            yield return element;
        }
    }
}
