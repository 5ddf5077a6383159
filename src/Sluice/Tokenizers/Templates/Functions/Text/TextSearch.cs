using System.Text;
using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Syntax;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Finds, replaces and splits at parts of texts.</summary>
internal static class TextSearch
{
    /// <param name="text">Where.</param>
    /// <param name="old">What is replaced: if empty, a new text goes before every character and at the end.</param>
    /// <param name="replacement">By what.</param>
    /// <param name="count">How often at most; below 0 for always.</param>
    /// <param name="budget">Pays.</param>
    public static string Replace(string text, string old, string replacement, int count, Budget budget)
    {
        budget.ChargeSearch(text.Length, old.Length);
        if (count < 0)
            count = int.MaxValue;
        StringBuilder result = new(text.Length);
        int position = 0;
        for (int made = 0; made < count; made++)
        {
            int next = old.Length > 0 ? text.IndexOf(old, position, StringComparison.Ordinal) : Boundary(text, position, made);
            if (next < 0)
                break;
            result.Append(text, position, next - position).Append(replacement);
            budget.ChargeText(result.Length, replacement.Length);
            position = next + old.Length;
        }
        return budget.Text(result.Append(text, position, text.Length - position).ToString());
    }

    /// <summary>Parts between separators; those between runs of white space if there is no separator.</summary>
    public static ListValue Split(string text, object? separator, int most, bool fromRight, Budget budget)
    {
        List<object?> parts = separator is null
            ? fromRight ? SplitSpaceFromRight(text, most) : SplitSpace(text, most)
            : SplitAt(text, Separator(text, separator, budget), most, fromRight);
        budget.ChargeList(parts.Count);
        return new ListValue([.. parts]);
    }

    /// <summary>What is before the first (or last) separator, the separator, and what is after.</summary>
    public static TupleValue Partition(string text, object? separator, bool fromRight, Budget budget)
    {
        string part = Separator(text, separator, budget);
        int at = fromRight ? text.LastIndexOf(part, StringComparison.Ordinal) : text.IndexOf(part, StringComparison.Ordinal);
        if (at < 0)
            return fromRight ? new TupleValue(["", "", text]) : new TupleValue([text, "", ""]);
        return new TupleValue([text[..at], part, text[(at + part.Length)..]]);
    }

    /// <summary>How often a part occurs, without overlaps.</summary>
    public static long Count(string text, string part, Budget budget)
    {
        budget.ChargeSearch(text.Length, part.Length);
        if (part.Length == 0)
            return CodePoints.Count(text) + 1L;
        long count = 0;
        for (int i = 0; (i = text.IndexOf(part, i, StringComparison.Ordinal)) >= 0; i += part.Length)
            count++;
        return count;
    }

    private static string Separator(string text, object? separator, Budget budget)
    {
        string part = Argument.Text(separator);
        if (part.Length == 0)
            throw new TemplateException("empty separator");
        budget.ChargeSearch(text.Length, part.Length);
        return part;
    }

    private static int Boundary(string text, int position, int made)
    {
        if (made == 0)
            return 0;
        return position < text.Length ? position + CodePoints.LengthAt(text, position) : -1;
    }

    private static List<object?> SplitAt(string text, string separator, int most, bool fromRight)
    {
        List<object?> parts = [];
        int start = 0, end = text.Length;
        for (int made = 0; most < 0 || made < most; made++)
        {
            int at = fromRight
                ? text.AsSpan(0, end).LastIndexOf(separator)
                : text.IndexOf(separator, start, StringComparison.Ordinal);
            if (at < 0)
                break;
            parts.Add(fromRight ? text[(at + separator.Length)..end] : text[start..at]);
            if (fromRight)
                end = at;
            else
                start = at + separator.Length;
        }
        parts.Add(text[start..end]);
        if (fromRight)
            parts.Reverse();
        return parts;
    }

    private static List<object?> SplitSpace(string text, int most)
    {
        List<object?> parts = [];
        int position = 0;
        while (true)
        {
            while (position < text.Length && Space.Is(text[position]))
                position++;
            if (position == text.Length)
                return parts;
            int start = position;
            if (most >= 0 && parts.Count == most)
            {
                parts.Add(text[start..]);
                return parts;
            }
            while (position < text.Length && !Space.Is(text[position]))
                position++;
            parts.Add(text[start..position]);
        }
    }

    private static List<object?> SplitSpaceFromRight(string text, int most)
    {
        List<object?> parts = [];
        int position = text.Length;
        while (true)
        {
            while (position > 0 && Space.Is(text[position - 1]))
                position--;
            if (position == 0)
                break;
            int end = position;
            if (most >= 0 && parts.Count == most)
                position = 0;
            while (position > 0 && !Space.Is(text[position - 1]))
                position--;
            parts.Add(text[position..end]);
            if (most >= 0 && parts.Count > most)
                break;
        }
        parts.Reverse();
        return parts;
    }
}
