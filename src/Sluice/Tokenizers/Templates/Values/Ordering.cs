using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>Python's <c>&lt;</c> and its like.</summary>
internal static class Ordering
{
    public static bool Holds(string name, object? x, object? y, Budget budget)
    {
        if (!TryCompare(x, y, budget, name, out int order))
            return false; // one is not a number
        return name switch
        {
            "<" => order < 0,
            "<=" => order <= 0,
            ">" => order > 0,
            _ => order >= 0,
        };
    }

    /// <summary>Compares for sorting.</summary>
    public static int Compare(object? x, object? y, Budget budget) =>
        TryCompare(x, y, budget, "<", out int order) ? order : 0;

    private static bool TryCompare(object? x, object? y, Budget budget, string name, out int order)
    {
        if (Number.IsNumber(x) && Number.IsNumber(y))
            return Number.TryCompare(x!, y!, out order);
        if (TemplateValue.TryText(x, out string text) && TemplateValue.TryText(y, out string other))
        {
            budget.ChargeText(Math.Min(text.Length, other.Length));
            order = CodePoints.Compare(text, other);
            return true;
        }
        if (x is SequenceValue left && y is SequenceValue right && left.GetType() == right.GetType())
        {
            budget.Enter();
            bool can = TryCompare(left.Items, right.Items, budget, name, out order);
            budget.Leave();
            return can;
        }
        throw (x as Undefined ?? y as Undefined)?.Failure() ?? new TemplateException(
            $"'{name}' not supported between instances of '{TemplateValue.TypeName(x)}' and '{TemplateValue.TypeName(y)}'");
    }

    private static bool TryCompare(object?[] x, object?[] y, Budget budget, string name, out int order)
    {
        for (int i = 0; i < Math.Min(x.Length, y.Length); i++)
        {
            budget.Charge(1);
            if (!Equality.AreEqual(x[i], y[i], budget))
                return TryCompare(x[i], y[i], budget, name, out order);
        }
        order = x.Length.CompareTo(y.Length);
        return true;
    }
}
