using Sluice.Tokenizers.Templates.Rendering;
using Sluice.Tokenizers.Templates.Syntax;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Takes characters off the ends of texts: white space, or those of a given text.</summary>
internal static class Strip
{
    public static string Both(string text, object? characters, Budget budget) =>
        Left(Right(text, characters, budget), characters, budget);

    public static string Left(string text, object? characters, Budget budget)
    {
        Func<string, int, int, bool> strips = Stripped(text, characters, budget);
        int start = 0;
        while (start < text.Length && Values.CodePoints.LengthAt(text, start) is var length && strips(text, start, length))
            start += length;
        return text[start..];
    }

    public static string Right(string text, object? characters, Budget budget)
    {
        Func<string, int, int, bool> strips = Stripped(text, characters, budget);
        int end = text.Length;
        while (end > 0)
        {
            int length = end > 1 && char.IsSurrogatePair(text[end - 2], text[end - 1]) ? 2 : 1;
            if (!strips(text, end - length, length))
                break;
            end -= length;
        }
        return text[..end];
    }

    private static Func<string, int, int, bool> Stripped(string text, object? characters, Budget budget)
    {
        if (characters is null)
            return static (text, start, _) => Space.Is(text[start]);
        string set = Argument.Text(characters);
        budget.ChargeSearch(text.Length, set.Length);
        return (text, start, length) => set.AsSpan().IndexOf(text.AsSpan(start, length)) >= 0;
    }
}
