using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Nodes;

internal sealed class Conditional(int line, Expression test, Expression then, Expression? otherwise) : Expression(line)
{
    public override object? Evaluate(Renderer renderer)
    {
        if (TemplateValue.IsTrue(renderer.Evaluate(test)))
            return renderer.Evaluate(then);
        return otherwise is not null
            ? renderer.Evaluate(otherwise)
            : new Undefined("the inline if-expression evaluated to false and no else section was defined.");
    }
}

internal sealed class Or(int line, Expression left, Expression right) : Expression(line)
{
    public override object? Evaluate(Renderer renderer)
    {
        object? value = renderer.Evaluate(left);
        return TemplateValue.IsTrue(value) ? value : renderer.Evaluate(right);
    }
}

internal sealed class And(int line, Expression left, Expression right) : Expression(line)
{
    public override object? Evaluate(Renderer renderer)
    {
        object? value = renderer.Evaluate(left);
        return TemplateValue.IsTrue(value) ? renderer.Evaluate(right) : value;
    }
}

internal sealed class Not(int line, Expression operand) : Expression(line)
{
    public override object? Evaluate(Renderer renderer) => !TemplateValue.IsTrue(renderer.Evaluate(operand));
}

/// <summary><c>a &lt; b &lt;= c</c>: every operand is computed once, and none after the first that fails.</summary>
internal sealed class Comparison(int line, Expression first, (string Name, Expression Operand)[] rest) : Expression(line)
{
    public override object? Evaluate(Renderer renderer)
    {
        object? left = renderer.Evaluate(first);
        foreach ((string name, Expression operand) in rest)
        {
            object? right = renderer.Evaluate(operand);
            if (!Holds(name, left, right, renderer.Budget))
                return false;
            left = right;
        }
        return true;
    }

    private static bool Holds(string name, object? left, object? right, Budget budget) => name switch
    {
        "==" => Equality.AreEqual(left, right, budget),
        "!=" => !Equality.AreEqual(left, right, budget),
        "in" => Membership.Contains(right, left, budget),
        "not in" => !Membership.Contains(right, left, budget),
        _ => Ordering.Holds(name, left, right, budget),
    };
}

/// <summary><c>a ~ b</c>: the texts of both.</summary>
internal sealed class Concatenation(int line, Expression[] items) : Expression(line)
{
    public override object? Evaluate(Renderer renderer)
    {
        ValueWriter text = new(renderer.Budget);
        foreach (Expression item in items)
            text.WriteText(renderer.Evaluate(item));
        return text.ToString();
    }
}

internal sealed class Binary(int line, string name, Expression left, Expression right) : Expression(line)
{
    public override object? Evaluate(Renderer renderer) =>
        Arithmetic.Apply(name, renderer.Evaluate(left), renderer.Evaluate(right), renderer.Budget);
}

internal sealed class Unary(int line, string sign, Expression operand) : Expression(line)
{
    public override object? Evaluate(Renderer renderer) => Arithmetic.Sign(sign, renderer.Evaluate(operand));
}
