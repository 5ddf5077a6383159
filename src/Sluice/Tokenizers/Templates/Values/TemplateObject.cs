using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>A value that is no number, truth value, text or None. None of them can be changed by a template.</summary>
internal abstract class TemplateObject
{
    /// <summary>What Python calls its type, for messages.</summary>
    public abstract string TypeName { get; }

    public virtual bool IsTrue => Length != 0;

    /// <summary>What <c>len</c> gives; null if it has no length.</summary>
    public virtual long? Length => null;

    /// <summary>What a loop goes through; null if it cannot be iterated.</summary>
    public virtual IEnumerable<object?>? Elements => null;

    public virtual bool TryGetAttribute(string name, out object? value)
    {
        value = null;
        return false;
    }

    public virtual bool TryGetElement(object? key, Budget budget, out object? value)
    {
        value = null;
        return false;
    }

    /// <summary>Writes it as Python's <c>repr</c>.</summary>
    public virtual void WriteRepr(ValueWriter writer) => writer.Write($"<{TypeName} object>");
}
