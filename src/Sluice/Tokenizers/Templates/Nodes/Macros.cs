using Sluice.Tokenizers.Templates.Functions;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Nodes;

/// <summary>A macro's parameter.</summary>
internal sealed record Parameter(string Name, Expression? Default);

/// <summary>A macro as it is written, or the body of a call block.</summary>
internal sealed record MacroDefinition(
    string Name, Parameter[] Parameters, Statement[] Body, bool UsesCaller, bool UsesKeywords, bool UsesPositional);

internal sealed class MacroStatement(int line, string name, MacroDefinition macro) : Statement(line)
{
    public override Flow Execute(Renderer renderer)
    {
        renderer.Scope.Set(name, new MacroValue(macro, renderer.Scope));
        return Flow.Next;
    }
}

/// <summary><c>{% call(a, b) name(...) %}...{% endcall %}</c></summary>
internal sealed class CallBlock(int line, CallExpression call, MacroDefinition body) : Statement(line)
{
    public override Flow Execute(Renderer renderer)
    {
        renderer.Output.WriteText(call.Call(renderer, new MacroValue(body, renderer.Scope)));
        return Flow.Next;
    }
}

/// <summary>A macro in the scope where it was defined.</summary>
internal sealed class MacroValue(MacroDefinition macro, Scope scope) : Callable
{
    public override string TypeName => "Macro";

    public override string CallName => macro.Name;

    public override void WriteRepr(ValueWriter writer) => writer.Write($"<Macro '{macro.Name}'>");

    public override bool TryGetAttribute(string name, out object? value)
    {
        value = name switch
        {
            "name" => macro.Name,
            "arguments" => new TupleValue([.. macro.Parameters.Select(parameter => (object?)parameter.Name)]),
            "caller" => macro.UsesCaller,
            "catch_kwargs" => macro.UsesKeywords,
            "catch_varargs" => macro.UsesPositional,
            _ => this,
        };
        return value != this;
    }

    public override object? Call(Renderer renderer, CallArguments arguments)
    {
        Scope inner = new(scope);
        object?[] positional = arguments.Positional;
        Dictionary<string, object?> named = new(StringComparer.Ordinal);
        List<string> order = [];
        foreach ((string name, object? value) in arguments.Named)
        {
            named[name] = value;
            order.Add(name);
        }
        List<Parameter> missing = BindParameters(inner, positional, named);
        bool isParameter = Array.Exists(macro.Parameters, parameter => parameter.Name == "caller");
        if (macro.UsesCaller && !isParameter)
            inner.Set("caller", named.Remove("caller", out object? caller) ? caller : new Undefined("No caller defined"));
        BindRest(inner, positional, named, order, renderer.Budget);
        renderer.Budget.Enter();
        string text = renderer.CaptureCall(inner, macro.Body, missing);
        renderer.Budget.Leave();
        return text;
    }

    /// <summary>Sets what was given, and returns the parameters that were not.</summary>
    private List<Parameter> BindParameters(Scope inner, object?[] positional, Dictionary<string, object?> named)
    {
        List<Parameter> missing = [];
        for (int i = 0; i < macro.Parameters.Length; i++)
        {
            Parameter parameter = macro.Parameters[i];
            if (i < positional.Length)
                inner.Set(parameter.Name, positional[i]);
            else if (named.Remove(parameter.Name, out object? value))
                inner.Set(parameter.Name, value);
            else
                missing.Add(parameter);
        }
        return missing;
    }

    private void BindRest(
        Scope inner, object?[] positional, Dictionary<string, object?> named, List<string> order, Budget budget)
    {
        order.RemoveAll(name => !named.ContainsKey(name));
        if (macro.UsesKeywords)
        {
            DictValue rest = new();
            foreach (string name in order)
                rest.Set(name, named[name], budget);
            inner.Set("kwargs", rest);
        }
        else if (order.Count > 0)
        {
            throw new TemplateException($"macro '{macro.Name}' takes no keyword argument '{order[0]}'");
        }
        int more = Math.Max(positional.Length - macro.Parameters.Length, 0);
        if (macro.UsesPositional)
            inner.Set("varargs", new TupleValue(positional[^more..]));
        else if (more > 0)
            throw new TemplateException($"macro '{macro.Name}' takes not more than {macro.Parameters.Length} argument(s)");
    }
}
