namespace Sluice.Grammars.Syntax;

/// <summary>Sets of characters as the bytes that UTF-8 writes them with.</summary>
internal static class Utf8Bytes
{
    // The last character of each length.
    private static readonly int[] Lasts = [0x7F, 0x7FF, 0xFFFF, CodePoints.Max];

    /// <summary>Any characters, or none.</summary>
    public static Expression AnyText { get; } = Of(CodePoints.All).Times(0, int.MaxValue);

    /// <summary>One character of a set.</summary>
    public static Expression Of(CodePoints set) => new Choice([.. set.Ranges.SelectMany(range => OfRange(range.First, range.Last))]);

    private static IEnumerable<Expression> OfRange(int first, int last)
    {
        for (int length = 1; length <= 4; length++)
        {
            int from = Math.Max(first, length == 1 ? 0 : Lasts[length - 2] + 1), to = Math.Min(last, Lasts[length - 1]);
            if (from <= to)
                yield return Bytes(from, to, length - 1, length switch { 1 => 0, 2 => 0xC0, 3 => 0xE0, _ => 0xF0 });
        }
    }

    /// <summary>The characters of a range whose bytes are equally many.</summary>
    /// <param name="first">The first, or the rest of it.</param>
    /// <param name="last">The last, or the rest of it.</param>
    /// <param name="more">How many bytes follow this one, of six bits each.</param>
    /// <param name="mark">The bits that mark this byte.</param>
    private static Expression Bytes(int first, int last, int more, int mark)
    {
        if (more == 0)
            return new ByteRange((byte)(mark | first), (byte)(mark | last));
        int shift = 6 * more, rest = (1 << shift) - 1;
        int top = first >> shift, bottom = last >> shift;
        if (top == bottom)
            return Expression.Then(Byte(top, top), Bytes(first & rest, last & rest, more - 1, 0x80));
        // An incomplete block at either end, and whole ones between.
        List<Expression> options = [];
        if ((first & rest) != 0)
            options.Add(Expression.Then(Byte(top, top++), Bytes(first & rest, rest, more - 1, 0x80)));
        if ((last & rest) != rest)
            options.Add(Expression.Then(Byte(bottom, bottom--), Bytes(0, last & rest, more - 1, 0x80)));
        if (top <= bottom)
            options.Add(Expression.Then(Byte(top, bottom), Bytes(0, rest, more - 1, 0x80)));
        return Expression.Any([.. options]);

        Expression Byte(int from, int to) => new ByteRange((byte)(mark | from), (byte)(mark | to));
    }
}
