using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>What can be called: macros, methods, global functions.</summary>
internal abstract class Callable : TemplateObject
{
    public override bool IsTrue => true;

    /// <summary>Its name, for messages.</summary>
    public abstract string CallName { get; }

    public abstract object? Call(Renderer renderer, CallArguments arguments);

    public override void WriteRepr(ValueWriter writer) => writer.Write($"<{TypeName} {CallName}>");
}

/// <summary>A global function.</summary>
internal sealed class Function(string name, Func<Renderer, CallArguments, object?> body) : Callable
{
    public override string TypeName => "function";

    public override string CallName => name;

    public override object? Call(Renderer renderer, CallArguments arguments) => body(renderer, arguments);
}

/// <summary>A value's method.</summary>
internal sealed class BoundMethod(BuiltIn method, object? self) : Callable
{
    public override string TypeName => "builtin_function_or_method";

    public override string CallName => method.Name;

    public override object? Call(Renderer renderer, CallArguments arguments) => method.Call(renderer, self, arguments);
}
