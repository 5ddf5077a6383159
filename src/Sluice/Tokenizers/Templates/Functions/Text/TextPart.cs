using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>The part of a text that a search is in.</summary>
/// <param name="Text">The part.</param>
/// <param name="Start">The character of the whole text at which it begins.</param>
internal sealed record TextPart(string Text, int Start)
{
    /// <summary>The part between two characters; null if it begins after the text's end.</summary>
    public static TextPart? Of(string text, object? start, object? end)
    {
        if (start is null && end is null)
            return new TextPart(text, 0);
        int count = CodePoints.Count(text);
        if (start is not null && Argument.Integer(start) > count)
            return null;
        if (!new Slice(start, end, null).TryIndices(count, out SliceSpan span))
            throw new TemplateException("slice indices must be integers or None");
        return span.Count == 0 && end is not null && Negative(end, count) < span.Start
            ? null
            : new TextPart(CodePoints.Slice(text, span), span.Start);
    }

    private static int Negative(object end, int count) =>
        Argument.Integer(end) is var value && value < 0 ? Math.Max(value + count, 0) : value;
}
