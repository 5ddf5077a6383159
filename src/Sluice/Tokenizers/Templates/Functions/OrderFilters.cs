using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Filters that compare elements.</summary>
internal static class OrderFilters
{
    public static void AddTo(FunctionTable table)
    {
        table.Add("sort", Sort, ("reverse", false), ("case_sensitive", false), ("attribute", null));
        table.Add("dictsort", DictSort, ("case_sensitive", false), ("by", "key"), ("reverse", false));
        table.Add("unique", Unique, ("case_sensitive", false), ("attribute", null));
        table.Add("groupby", GroupBy, ("attribute", CallArguments.Required), ("default", null), ("case_sensitive", false));
        table.Add("min", (renderer, value, a) => Extreme(renderer, value, a, -1), ("case_sensitive", false), ("attribute", null));
        table.Add("max", (renderer, value, a) => Extreme(renderer, value, a, 1), ("case_sensitive", false), ("attribute", null));
    }

    private static object? Sort(Renderer renderer, object? value, object?[] arguments)
    {
        Func<object?, object?> key = ItemKey.Several(arguments[2], TemplateValue.IsTrue(arguments[1]), renderer.Budget);
        object?[] items = TemplateValue.ToArray(value, renderer.Budget);
        return new ListValue(Sorted(items, key, TemplateValue.IsTrue(arguments[0]), renderer.Budget));
    }

    private static object?[] Sorted(object?[] items, Func<object?, object?> key, bool reverse, Budget budget)
    {
        (object? Key, object? Item)[] keyed = [.. items.Select(item => (key(item), item))];
        keyed = StableSort.Of(keyed, (x, y) =>
        {
            budget.Charge(1);
            return reverse ? Ordering.Compare(y.Key, x.Key, budget) : Ordering.Compare(x.Key, y.Key, budget);
        });
        return [.. keyed.Select(item => item.Item)];
    }

    private static object? DictSort(Renderer renderer, object? value, object?[] arguments)
    {
        if (value is not DictValue dict)
            throw new TemplateException($"'{TemplateValue.Describe(value)}' has no attribute 'items'");
        int index = arguments[1] switch
        {
            "key" => 0,
            "value" => 1,
            _ => throw new TemplateException("You can only sort by either \"key\" or \"value\""),
        };
        Func<object?, object?> key = ItemKey.IgnoringCase((long)index, TemplateValue.IsTrue(arguments[0]), renderer.Budget);
        object?[] pairs = [.. DictView.Pairs(dict)];
        renderer.Budget.ChargeList(pairs.Length);
        return new ListValue(Sorted(pairs, key, TemplateValue.IsTrue(arguments[2]), renderer.Budget));
    }

    private static object? Unique(Renderer renderer, object? value, object?[] arguments)
    {
        Func<object?, object?> key = ItemKey.IgnoringCase(arguments[1], TemplateValue.IsTrue(arguments[0]), renderer.Budget);
        return new Generator(Distinct());

        IEnumerable<object?> Distinct()
        {
            HashSet<DictKey> seen = [];
            foreach (object? item in TemplateValue.Iterate(value))
            {
                renderer.Budget.Charge(1);
                if (seen.Add(DictKey.Of(key(item), renderer.Budget)))
                    yield return item;
            }
        }
    }

    private static object? GroupBy(Renderer renderer, object? value, object?[] arguments)
    {
        Budget budget = renderer.Budget;
        bool caseSensitive = TemplateValue.IsTrue(arguments[2]);
        Func<object?, object?> own = ItemKey.Of(arguments[0], budget, fallback: arguments[1]);
        Func<object?, object?> lower = ItemKey.IgnoringCase(null, caseSensitive, budget);
        List<object?> groups = [];
        List<object?> group = [];
        object? last = null;
        foreach (object? item in Sorted(TemplateValue.ToArray(value, budget), item => lower(own(item)), reverse: false, budget))
        {
            object? key = lower(own(item));
            if (group.Count > 0 && !Equality.AreEqual(last, key, budget))
                Close();
            group.Add(item);
            last = key;
        }
        if (group.Count > 0)
            Close();
        return new ListValue([.. groups]);

        void Close()
        {
            groups.Add(new GroupValue(own(group[0]), new ListValue([.. group])));
            group.Clear();
        }
    }

    private static object? Extreme(Renderer renderer, object? value, object?[] arguments, int sign)
    {
        Func<object?, object?> key = ItemKey.IgnoringCase(arguments[1], TemplateValue.IsTrue(arguments[0]), renderer.Budget);
        object? best = null, bestKey = null;
        bool any = false;
        foreach (object? item in TemplateValue.Iterate(value))
        {
            renderer.Budget.Charge(1);
            object? itemKey = key(item);
            if (any && Ordering.Compare(itemKey, bestKey, renderer.Budget) * sign <= 0)
                continue;
            (any, best, bestKey) = (true, item, itemKey);
        }
        return any ? best : new Undefined("No aggregated item, sequence was empty.");
    }
}
