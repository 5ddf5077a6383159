using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Nodes;

/// <summary>What a value is assigned to.</summary>
internal abstract class Target
{
    public abstract void Assign(Renderer renderer, Scope scope, object? value);

    /// <summary>Whether it assigns to this name.</summary>
    public abstract bool Assigns(string name);
}

internal sealed class NameTarget(string name) : Target
{
    public override void Assign(Renderer renderer, Scope scope, object? value) => scope.Set(name, value);

    public override bool Assigns(string other) => other == name;
}

/// <summary><c>ns.name</c>: the one thing that can be changed from an inner scope.</summary>
internal sealed class NamespaceTarget(string name, string attribute) : Target
{
    public override void Assign(Renderer renderer, Scope scope, object? value)
    {
        if (renderer.Lookup(name) is not NamespaceValue space)
            throw new TemplateException("cannot assign attribute on non-namespace object");
        space.Set(attribute, value);
    }

    public override bool Assigns(string other) => false;
}

internal sealed class TupleTarget(Target[] targets) : Target
{
    public override void Assign(Renderer renderer, Scope scope, object? value)
    {
        if (!TemplateValue.IsIterable(value))
            throw new TemplateException($"cannot unpack non-iterable {TemplateValue.TypeName(value)} object");
        object?[] values = TemplateValue.ToArray(value, renderer.Budget);
        if (values.Length != targets.Length)
        {
            throw new TemplateException(values.Length < targets.Length
                ? $"not enough values to unpack (expected {targets.Length}, got {values.Length})"
                : $"too many values to unpack (expected {targets.Length})");
        }
        for (int i = 0; i < targets.Length; i++)
            targets[i].Assign(renderer, scope, values[i]);
    }

    public override bool Assigns(string name) => Array.Exists(targets, target => target.Assigns(name));
}
