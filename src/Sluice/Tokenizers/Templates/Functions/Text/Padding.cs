using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Makes texts as wide as asked.</summary>
internal static class Padding
{
    public static string Left(string text, int width, string fill, Budget budget) =>
        Repeat(fill, Missing(text, width), budget) + text;

    public static string Right(string text, int width, string fill, Budget budget) =>
        text + Repeat(fill, Missing(text, width), budget);

    // Where the room is odd, Python's str.center gives the left side less, unless the width is odd.
    public static string Center(string text, int width, string fill, Budget budget)
    {
        int missing = Missing(text, width);
        int left = (missing / 2) + (missing & width & 1);
        return Repeat(fill, left, budget) + text + Repeat(fill, missing - left, budget);
    }

    public static string Repeat(string fill, int count, Budget budget)
    {
        budget.ChargeText((long)fill.Length * count);
        return fill.Length == 1 ? new string(fill[0], count) : string.Concat(Enumerable.Repeat(fill, count));
    }

    private static int Missing(string text, int width) => Math.Max(width - CodePoints.Count(text), 0);
}
