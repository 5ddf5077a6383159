using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>A filter, a test or a method, with its arguments in the order of its parameters.</summary>
internal delegate object? BoundBody(Renderer renderer, object? self, object?[] arguments);

/// <summary>One that takes any arguments.</summary>
internal delegate object? FreeBody(Renderer renderer, object? self, CallArguments arguments);

/// <summary>A filter, a test or a method.</summary>
internal sealed class BuiltIn(string name, FreeBody body)
{
    public BuiltIn(string name, (string Name, object? Default)[] parameters, BoundBody body)
        : this(name, (renderer, self, arguments) => body(renderer, self, arguments.Bind(name, parameters)))
    {
    }

    public string Name { get; } = name;

    public object? Call(Renderer renderer, object? self, CallArguments arguments) => body(renderer, self, arguments);
}

/// <summary>Filters, tests or methods by name.</summary>
internal sealed class FunctionTable
{
    private readonly Dictionary<string, BuiltIn> _functions = new(StringComparer.Ordinal);

    public BuiltIn? Find(string name) => _functions.GetValueOrDefault(name);

    public void Add(string name, BoundBody body, params (string Name, object? Default)[] parameters) =>
        _functions.Add(name, new BuiltIn(name, parameters, body));

    /// <summary>Adds one that takes any arguments.</summary>
    public void AddFree(string name, FreeBody body) => _functions.Add(name, new BuiltIn(name, body));

    /// <summary>Adds another name.</summary>
    public void AddAlias(string alias, string name) => _functions.Add(alias, _functions[name]);
}
