using System.Numerics;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>The tests by name, which follow <c>is</c>.</summary>
internal static class Tests
{
    public static FunctionTable Table { get; } = Create();

    private static FunctionTable Create()
    {
        FunctionTable table = new();
        AddTypes(table);
        AddComparisons(table);
        AddRest(table);
        return table;
    }

    private static void AddTypes(FunctionTable table)
    {
        Add(table, "defined", value => value is not Undefined);
        Add(table, "undefined", value => value is Undefined);
        Add(table, "none", value => value is null);
        Add(table, "boolean", value => value is bool);
        Add(table, "true", value => value is true);
        Add(table, "false", value => value is false);
        Add(table, "integer", value => value is long or BigInteger);
        Add(table, "float", value => value is double);
        Add(table, "number", Number.IsNumber);
        Add(table, "string", value => TemplateValue.TryText(value, out _));
        Add(table, "escaped", value => value is Markup);
        Add(table, "mapping", value => value is DictValue);
        Add(table, "iterable", TemplateValue.IsIterable);
        Add(table, "sequence", value =>
            TemplateValue.TryText(value, out _) || value is SequenceValue or DictValue or RangeValue or Undefined);
        // As in Python, even what is undefined has a method that is called when it is called, and that fails.
        Add(table, "callable", value => value is Callable or Undefined);
    }

    private static void AddComparisons(FunctionTable table)
    {
        AddComparison(table, ["eq", "==", "equalto"], (x, y, budget) => Equality.AreEqual(x, y, budget));
        AddComparison(table, ["ne", "!="], (x, y, budget) => !Equality.AreEqual(x, y, budget));
        AddComparison(table, ["lt", "<", "lessthan"], (x, y, budget) => Ordering.Holds("<", x, y, budget));
        AddComparison(table, ["le", "<="], (x, y, budget) => Ordering.Holds("<=", x, y, budget));
        AddComparison(table, ["gt", ">", "greaterthan"], (x, y, budget) => Ordering.Holds(">", x, y, budget));
        AddComparison(table, ["ge", ">="], (x, y, budget) => Ordering.Holds(">=", x, y, budget));
        AddComparison(table, ["in"], (x, y, budget) => Membership.Contains(y, x, budget));
        AddComparison(table, ["sameas"], (x, y, _) => IsSame(x, y));
        AddComparison(table, ["divisibleby"], (x, y, budget) => IsRemainder(x, y, 0, budget));
    }

    private static void AddRest(FunctionTable table)
    {
        table.Add("odd", (renderer, value, _) => IsRemainder(value, 2L, 1, renderer.Budget));
        table.Add("even", (renderer, value, _) => IsRemainder(value, 2L, 0, renderer.Budget));
        table.Add("lower", (renderer, value, _) => LetterCase.IsLower(ValueWriter.Text(value, renderer.Budget)));
        table.Add("upper", (renderer, value, _) => LetterCase.IsUpper(ValueWriter.Text(value, renderer.Budget)));
        Add(table, "filter", value => value is string name && Filters.Table.Find(name) is not null);
        Add(table, "test", value => value is string name && Table.Find(name) is not null);
    }

    private static void Add(FunctionTable table, string name, Func<object?, bool> test) =>
        table.Add(name, (_, value, _) => test(value));

    private static void AddComparison(FunctionTable table, string[] names, Func<object?, object?, Budget, bool> test)
    {
        table.Add(names[0], (renderer, value, a) => test(value, a[0], renderer.Budget), ("other", CallArguments.Required));
        foreach (string alias in names[1..])
            table.AddAlias(alias, names[0]);
    }

    private static bool IsRemainder(object? value, object? divisor, long remainder, Budget budget) =>
        Equality.AreEqual(Arithmetic.Apply("%", value, divisor, budget), remainder, budget);

    // Of values that are no objects here, equal ones are the same.
    private static bool IsSame(object? x, object? y) =>
        ReferenceEquals(x, y) || (x is not (null or TemplateObject) && y is not null && x.GetType() == y.GetType() && x.Equals(y));
}
