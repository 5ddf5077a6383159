using Sluice.Tokenizers.Templates.Functions;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Nodes;

/// <summary>The arguments that a call is written with.</summary>
internal sealed class ArgumentList(
    Expression[] positional, (string Name, Expression Value)[]? named = null, Expression? more = null, Expression? moreNamed = null)
{
    public static ArgumentList Empty { get; } = new([]);

    public CallArguments Evaluate(Renderer renderer)
    {
        if (positional.Length == 0 && named is not { Length: > 0 } && more is null && moreNamed is null)
            return CallArguments.None;
        List<object?> values = [.. renderer.Evaluate(positional)];
        List<(string, object?)> namedValues = [];
        foreach ((string name, Expression value) in named ?? [])
            namedValues.Add((name, renderer.Evaluate(value)));
        if (more is not null)
            values.AddRange(TemplateValue.ToArray(renderer.Evaluate(more), renderer.Budget));
        if (moreNamed is not null)
            AddNamed(renderer.Evaluate(moreNamed), namedValues);
        return new CallArguments([.. values], [.. namedValues]);
    }

    private static void AddNamed(object? value, List<(string Name, object? Value)> named)
    {
        if (value is not DictValue dict)
            throw new TemplateException($"argument after ** must be a mapping, not {TemplateValue.TypeName(value)}");
        foreach ((object? key, object? element) in dict.Items)
        {
            if (key is not string name)
                throw new TemplateException("keywords must be strings");
            if (named.Exists(other => other.Name == name))
                throw new TemplateException($"got multiple values for keyword argument '{name}'");
            named.Add((name, element));
        }
    }
}

internal sealed class CallExpression(int line, Expression target, ArgumentList arguments) : Expression(line)
{
    public override object? Evaluate(Renderer renderer) => Call(renderer, null);

    /// <summary>Calls it, with the body of a call block as the argument <c>caller</c> if there is one.</summary>
    public object? Call(Renderer renderer, Callable? caller)
    {
        object? function = renderer.Evaluate(target);
        CallArguments values = arguments.Evaluate(renderer);
        if (caller is not null)
            values = new CallArguments(values.Positional, [.. values.Named, ("caller", caller)]);
        return function switch
        {
            Callable callable => callable.Call(renderer, values),
            Undefined undefined => throw undefined.Failure(),
            _ => throw new TemplateException($"'{TemplateValue.TypeName(function)}' object is not callable"),
        };
    }
}

/// <summary><c>value | name(...)</c></summary>
internal sealed class FilterExpression(int line, Expression? value, string name, BuiltIn? filter, ArgumentList arguments)
    : Expression(line)
{
    public override object? Evaluate(Renderer renderer) => Evaluate(renderer, null);

    /// <summary>Filters; the first of a chain gets what a block wrote, if it is one's.</summary>
    public object? Evaluate(Renderer renderer, object? content)
    {
        if (filter is null)
            throw new TemplateException($"No filter named '{name}' found.", Line);
        object? input = value switch
        {
            null => content,
            FilterExpression inner => Inner(renderer, inner, content),
            _ => renderer.Evaluate(value),
        };
        return filter.Call(renderer, input, arguments.Evaluate(renderer));
    }

    private static object? Inner(Renderer renderer, FilterExpression inner, object? content)
    {
        renderer.Budget.Enter();
        object? result = inner.Evaluate(renderer, content);
        renderer.Budget.Leave();
        return result;
    }
}

/// <summary><c>value is name(...)</c></summary>
internal sealed class TestExpression(int line, Expression value, string name, BuiltIn? test, ArgumentList arguments)
    : Expression(line)
{
    public override object? Evaluate(Renderer renderer)
    {
        if (test is null)
            throw new TemplateException($"No test named '{name}' found.", Line);
        return test.Call(renderer, renderer.Evaluate(value), arguments.Evaluate(renderer));
    }
}
