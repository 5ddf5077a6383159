using Sluice.Tokenizers.Templates.Functions;
using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>
/// Attributes and elements. A name may be either: <c>a.b</c> looks for a method first, <c>a['b']</c> for an element. Nothing
/// but the values' own methods can be reached, and none that would change a value.
/// </summary>
internal static class Access
{
    /// <summary><c>target.name</c></summary>
    public static object? Attribute(object? target, string name, Budget budget)
    {
        if (TryAttribute(target, name, out object? value) || TryElement(target, name, budget, out value))
            return value;
        return Missing(target, name);
    }

    /// <summary><c>target[key]</c></summary>
    public static object? Element(object? target, object? key, Budget budget)
    {
        if (TryElement(target, key, budget, out object? value))
            return value;
        if (TemplateValue.TryText(key, out string name))
            return TryAttribute(target, name, out value) ? value : Missing(target, name);
        return target is Undefined undefined
            ? throw undefined.Failure()
            : new Undefined($"{TemplateValue.Describe(target)} has no element {ValueWriter.Repr(key, budget)}");
    }

    /// <summary><c>target[start:stop:step]</c>, where Jinja2 leaves errors to Python.</summary>
    public static object? Part(object? target, Slice slice, Budget budget)
    {
        if (TryElement(target, slice, budget, out object? value))
            return value;
        throw (target as Undefined)?.Failure() ?? new TemplateException(target is SequenceValue or RangeValue or string or Markup
            ? "slice indices must be integers or None"
            : $"'{TemplateValue.TypeName(target)}' object has no slices");
    }

    private static Undefined Missing(object? target, string name)
    {
        if (target is Undefined undefined)
            throw undefined.Failure();
        return new Undefined($"'{TemplateValue.Describe(target)}' has no attribute '{name}'");
    }

    public static bool TryAttribute(object? target, string name, out object? value)
    {
        if (target is Undefined)
        {
            value = null;
            return false;
        }
        if (name.StartsWith("__", StringComparison.Ordinal) || Methods.Mutates(target, name))
        {
            value = new Undefined($"access to attribute '{name}' of '{TemplateValue.TypeName(target)}' object is unsafe.");
            return name[0] != '_' || !HasElement(target, name);
        }
        if (Methods.TryFind(target, name, out BuiltIn? method))
        {
            value = new BoundMethod(method, target);
            return true;
        }
        value = null;
        return target is TemplateObject other && other.TryGetAttribute(name, out value);
    }

    private static bool HasElement(object? target, string name) => target is DictValue dict && dict.TryGetName(name, out _);

    private static bool TryElement(object? target, object? key, Budget budget, out object? value)
    {
        value = null;
        if (target is TemplateObject other)
            return other.TryGetElement(key, budget, out value);
        if (!TemplateValue.TryText(target, out string text))
            return false;
        budget.ChargeText(text.Length);
        if (key is Slice slice)
        {
            if (!slice.TryIndices(CodePoints.Count(text), out SliceSpan span))
                return false;
            value = CodePoints.Slice(text, span);
        }
        else
        {
            if (!Slice.TryIndex(key, CodePoints.Count(text), out int index))
                return false;
            value = CodePoints.Slice(text, new SliceSpan(index, 1, 1));
        }
        if (target is Markup)
            value = new Markup((string)value);
        return true;
    }
}
