using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>Python's <c>in</c>.</summary>
internal static class Membership
{
    public static bool Contains(object? container, object? value, Budget budget)
    {
        if (TemplateValue.TryText(container, out string text))
        {
            if (!TemplateValue.TryText(value, out string part))
            {
                throw (value as Undefined)?.Failure()
                    ?? new TemplateException($"'in <string>' requires string as left operand, not {TemplateValue.TypeName(value)}");
            }
            budget.ChargeSearch(text.Length, part.Length);
            return text.Contains(part, StringComparison.Ordinal);
        }
        if (container is DictValue dict)
            return dict.Contains(value, budget);
        if (container is DictView view && view.TryContains(value, budget, out bool contains))
            return contains;
        if (!TemplateValue.IsIterable(container))
            throw new TemplateException($"argument of type '{TemplateValue.TypeName(container)}' is not iterable");
        foreach (object? element in TemplateValue.Iterate(container))
        {
            budget.Charge(1);
            if (Equality.AreEqual(element, value, budget))
                return true;
        }
        return false;
    }
}
