using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>Python's <c>==</c>.</summary>
internal static class Equality
{
    /// <param name="x">A value.</param>
    /// <param name="y">Another.</param>
    /// <param name="budget">Pays for comparing what is inside; null for keys, which have paid when they were made.</param>
    public static bool AreEqual(object? x, object? y, Budget? budget)
    {
        if (ReferenceEquals(x, y))
            return x is not double number || !double.IsNaN(number);
        if (x is null || y is null)
            return false;
        if (x is long a && y is long b)
            return a == b;
        if (TemplateValue.TryText(x, out string text))
        {
            budget?.ChargeText(text.Length);
            return TemplateValue.TryText(y, out string other) && text == other;
        }
        if (Number.IsNumber(x) && Number.IsNumber(y))
            return Number.TryCompare(x, y, out int order) && order == 0;
        budget?.Enter();
        bool equal = (x, y) switch
        {
            (ListValue left, ListValue right) => AreEqual(left.Items, right.Items, budget),
            (TupleValue left, TupleValue right) => AreEqual(left.Items, right.Items, budget),
            (DictValue left, DictValue right) => AreEqual(left, right, budget),
            (RangeValue left, RangeValue right) => left.Equals(right),
            (Undefined, Undefined) => true,
            _ => false,
        };
        budget?.Leave();
        return equal;
    }

    private static bool AreEqual(object?[] x, object?[] y, Budget? budget)
    {
        if (x.Length != y.Length)
            return false;
        budget?.ChargeList(x.Length);
        for (int i = 0; i < x.Length; i++)
        {
            if (!AreEqual(x[i], y[i], budget))
                return false;
        }
        return true;
    }

    private static bool AreEqual(DictValue x, DictValue y, Budget? budget)
    {
        if (x.Length != y.Length || budget is null)
            return false;
        foreach ((object? key, object? value) in x.Items)
        {
            if (!y.TryGet(key, budget, out object? other) || !AreEqual(value, other, budget))
                return false;
        }
        return true;
    }
}
