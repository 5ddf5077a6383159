namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>Splits texts into lines, at everything that Python takes for a line's end.</summary>
internal static class Lines
{
    public static List<string> Split(string text, bool keepEnds)
    {
        List<string> lines = [];
        int start = 0;
        while (start < text.Length)
        {
            int end = text.AsSpan(start).IndexOfAny("\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029");
            if (end < 0)
                break;
            end += start;
            int next = text[end] == '\r' && end + 1 < text.Length && text[end + 1] == '\n' ? end + 2 : end + 1;
            lines.Add(text[start..(keepEnds ? next : end)]);
            start = next;
        }
        if (start < text.Length)
            lines.Add(text[start..]);
        return lines;
    }
}
