using System.Numerics;
using Sluice.Tokenizers.Templates.Rendering;

namespace Sluice.Tokenizers.Templates.Values;

/// <summary>What every value can be asked.</summary>
internal static class TemplateValue
{
    public static bool IsTrue(object? value) => value switch
    {
        null => false,
        bool truth => truth,
        long number => number != 0,
        double number => number != 0,
        BigInteger => true, // these are beyond 64 bits
        string text => text.Length > 0,
        Markup markup => markup.Text.Length > 0,
        TemplateObject other => other.IsTrue,
        _ => throw NoValue(value),
    };

    /// <summary>What Python calls its type.</summary>
    public static string TypeName(object? value) => value switch
    {
        null => "NoneType",
        bool => "bool",
        long or BigInteger => "int",
        double => "float",
        string => "str",
        Markup => "Markup",
        TemplateObject other => other.TypeName,
        _ => throw NoValue(value),
    };

    /// <summary>As in Jinja's messages: <c>dict object</c>, <c>None</c>.</summary>
    public static string Describe(object? value) => value is null ? "None" : $"{TypeName(value)} object";

    /// <summary>The text of a string, marked as safe or not.</summary>
    public static bool TryText(object? value, out string text)
    {
        text = value as string ?? (value as Markup)?.Text ?? "";
        return value is string or Markup;
    }

    /// <summary>Its length: of a text, in code points; null if it has none.</summary>
    public static long? Length(object? value) =>
        TryText(value, out string text) ? CodePoints.Count(text) : (value as TemplateObject)?.Length;

    public static bool IsIterable(object? value) => TryText(value, out _) || value is TemplateObject { Elements: not null };

    /// <summary>Its elements: of a text, its characters; of a dictionary, its keys.</summary>
    public static IEnumerable<object?> Iterate(object? value)
    {
        if (TryText(value, out string text))
            return CodePoints.Split(text);
        return (value as TemplateObject)?.Elements
            ?? throw new TemplateException($"'{TypeName(value)}' object is not iterable");
    }

    /// <summary>All its elements.</summary>
    public static object?[] ToArray(object? value, Budget budget)
    {
        if (value is SequenceValue sequence)
        {
            budget.ChargeList(sequence.Items.Length);
            return [.. sequence.Items];
        }
        List<object?> items = [];
        foreach (object? item in Iterate(value))
        {
            budget.Charge(1);
            items.Add(item);
        }
        budget.ChargeList(items.Count);
        return [.. items];
    }

    private static ArgumentException NoValue(object value) => new($"{value.GetType()} is no value of a template.");
}
