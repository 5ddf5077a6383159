using Sluice.Tokenizers.Templates.Functions;
using Sluice.Tokenizers.Templates.Nodes;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Rendering;

/// <summary>One rendering of a template: its variables, what it has written, and what it may still use.</summary>
internal sealed class Renderer
{
    private int _line;

    public Renderer(IEnumerable<KeyValuePair<string, object?>> variables, TemplateOptions options, CancellationToken cancellation)
    {
        Options = options;
        Budget = new Budget(options, cancellation);
        Output = new ValueWriter(Budget);
        Scope data = new(null);
        foreach ((string name, object? value) in variables)
            data.Set(name, value);
        Scope = Root = data;
    }

    public TemplateOptions Options { get; }

    public Budget Budget { get; }

    /// <summary>What is written to: the output, or the text of a macro or block.</summary>
    public ValueWriter Output { get; private set; }

    /// <summary>The innermost scope.</summary>
    public Scope Scope { get; private set; }

    /// <summary>The scope of the template itself.</summary>
    public Scope Root { get; }

    /// <summary>Renders a template.</summary>
    public string Render(Statement[] template)
    {
        try
        {
            _ = Run(template);
            return Output.ToString();
        }
        catch (TemplateException exception) when (exception.Line == 0)
        {
            throw new TemplateException(exception.Reason, _line);
        }
    }

    public object? Evaluate(Expression expression)
    {
        Budget.Enter();
        _line = expression.Line;
        object? value = expression.Evaluate(this);
        Budget.Leave();
        return value;
    }

    public object?[] Evaluate(Expression[] expressions)
    {
        object?[] values = new object?[expressions.Length];
        for (int i = 0; i < values.Length; i++)
            values[i] = Evaluate(expressions[i]);
        return values;
    }

    public object? EvaluateIn(Scope scope, Expression expression)
    {
        Scope outer = Scope;
        Scope = scope;
        object? value = Evaluate(expression);
        Scope = outer;
        return value;
    }

    public Flow Run(Statement[] body)
    {
        Budget.Enter();
        Flow flow = Flow.Next;
        foreach (Statement statement in body)
        {
            Budget.Charge(1);
            _line = statement.Line;
            flow = statement.Execute(this);
            if (flow != Flow.Next)
                break;
        }
        Budget.Leave();
        return flow;
    }

    public Flow RunIn(Scope scope, Statement[] body)
    {
        Scope outer = Scope;
        Scope = scope;
        Flow flow = Run(body);
        Scope = outer;
        return flow;
    }

    /// <summary>What a body writes.</summary>
    public string Capture(Scope scope, Statement[] body, out Flow flow)
    {
        ValueWriter outer = Output;
        Output = new ValueWriter(Budget);
        flow = RunIn(scope, body);
        string text = Output.ToString();
        Output = outer;
        return text;
    }

    /// <summary>What an action writes.</summary>
    public string Capture(Action write)
    {
        ValueWriter outer = Output;
        Output = new ValueWriter(Budget);
        write();
        string text = Output.ToString();
        Output = outer;
        return text;
    }

    /// <summary>What a macro writes, whose missing parameters get their defaults first, in its own scope.</summary>
    public string CaptureCall(Scope scope, Statement[] body, List<Parameter> missing)
    {
        int line = _line;
        foreach (Parameter parameter in missing)
        {
            scope.Set(parameter.Name, parameter.Default is null
                ? new Undefined($"parameter '{parameter.Name}' was not provided")
                : EvaluateIn(scope, parameter.Default));
        }
        string text = Capture(scope, body, out _);
        _line = line;
        return text;
    }

    /// <summary>A variable, or else a global function.</summary>
    public object? Lookup(string name)
    {
        if (Scope.TryGet(name, out object? value))
            return value;
        return Globals.TryGet(name, out value) ? value : new Undefined($"'{name}' is undefined");
    }
}
