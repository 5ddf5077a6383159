using System.Globalization;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>
/// What a filter takes of each element, by its argument <c>attribute</c>: the element itself, an attribute or element of it,
/// or a path of these (<c>a.b.0</c>).
/// </summary>
internal static class ItemKey
{
    /// <param name="attribute">The argument.</param>
    /// <param name="budget">Pays.</param>
    /// <param name="fallback">What stands for a part of the path that is not there; null for what is undefined.</param>
    public static Func<object?, object?> Of(object? attribute, Budget budget, object? fallback = null)
    {
        if (attribute is null)
            return static item => item;
        object?[] path = Path(attribute);
        return item => Follow(item, path, fallback, budget);
    }

    /// <summary>As above, with texts in lower case.</summary>
    public static Func<object?, object?> IgnoringCase(object? attribute, bool caseSensitive, Budget budget)
    {
        Func<object?, object?> key = Of(attribute, budget);
        return caseSensitive ? key : item => Lower(key(item));
    }

    /// <summary>For several attributes with commas between them, the list of all.</summary>
    public static Func<object?, object?> Several(object? attribute, bool caseSensitive, Budget budget)
    {
        if (!TemplateValue.TryText(attribute, out string text) || !text.Contains(','))
            return IgnoringCase(attribute, caseSensitive, budget);
        Func<object?, object?>[] keys = [.. text.Split(',').Select(part => IgnoringCase(part, caseSensitive, budget))];
        return item => new ListValue([.. keys.Select(key => key(item))]);
    }

    private static object? Lower(object? value) => TemplateValue.TryText(value, out string text) ? LetterCase.Lower(text) : value;

    private static object?[] Path(object attribute) => TemplateValue.TryText(attribute, out string text)
        ? [.. text.Split('.').Select(Part)]
        : [attribute];

    private static object? Part(string part) =>
        part.Length > 0 && !part.AsSpan().ContainsAnyExceptInRange('0', '9')
        && long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out long index) ? index : part;

    private static object? Follow(object? item, object?[] path, object? fallback, Budget budget)
    {
        foreach (object? part in path)
        {
            item = Access.Element(item, part, budget);
            if (item is Undefined && fallback is not null)
                item = fallback;
        }
        return item;
    }
}
