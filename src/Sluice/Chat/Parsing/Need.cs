using System.Text;

namespace Sluice.Chat.Parsing;

/// <summary>
/// What a style's parser expects next of a text that comes in pieces. It reads as far as it can, and is done once it found what
/// it looked for, or it is clear that this is not there.
/// </summary>
internal abstract class Need
{
    public bool IsDone { get; private set; }

    /// <summary>Whether it was there.</summary>
    public bool Found { get; private set; }

    /// <summary>Of the text that was read last, how much is dealt with; the rest is kept as long as it may prove to be no call.</summary>
    public int Settled { get; protected set; }

    /// <summary>Reads on.</summary>
    /// <param name="text">What was not read yet.</param>
    /// <param name="isEnd">Whether no more will come; then it must be done.</param>
    /// <returns>How much of it was read.</returns>
    public abstract int Read(ReadOnlySpan<char> text, bool isEnd);

    protected int Done(bool found, int read)
    {
        (IsDone, Found) = (true, found);
        return read;
    }
}

/// <summary>Text up to the first of some markers, given on as it comes; a beginning of a marker waits for its rest.</summary>
internal sealed class TextUntil(TextUntil.Action deliver, params string[] markers) : Need
{
    /// <summary>What is done with the text.</summary>
    public delegate void Action(ReadOnlySpan<char> text);

    /// <summary>The marker that was found.</summary>
    public string Marker { get; private set; } = "";

    public override int Read(ReadOnlySpan<char> text, bool isEnd)
    {
        int first = text.Length;
        foreach (string marker in markers)
        {
            if (text.IndexOf(marker, StringComparison.Ordinal) is >= 0 and int at && at < first)
                (first, Marker) = (at, marker);
        }
        if (Marker.Length == 0 && !isEnd)
            first = text.Length - Markers.Held(text, markers);
        if (first > 0)
            deliver(text[..first]);
        Settled = first;
        return Marker.Length > 0 || isEnd ? Done(Marker.Length > 0, first + Marker.Length) : first;
    }
}

/// <summary>A part of a call up to a marker, however long; the marker is read too.</summary>
internal sealed class PartUntil(string marker) : Need
{
    private readonly StringBuilder _text = new();

    /// <summary>The part.</summary>
    public string Text => _text.ToString();

    public override int Read(ReadOnlySpan<char> text, bool isEnd)
    {
        int at = text.IndexOf(marker, StringComparison.Ordinal);
        int end = at >= 0 ? at : isEnd ? text.Length : text.Length - Markers.Held(text, [marker]);
        _text.Append(text[..end]);
        return at >= 0 || isEnd ? Done(at >= 0, end + (at >= 0 ? marker.Length : 0)) : end;
    }
}

/// <summary>A text that may stand here, after white space.</summary>
internal sealed class Optional(string literal) : Need
{
    public override int Read(ReadOnlySpan<char> text, bool isEnd)
    {
        int space = text.Length - text.TrimStart().Length;
        ReadOnlySpan<char> rest = text[space..];
        return rest.StartsWith(literal, StringComparison.Ordinal) ? Done(true, space + literal.Length)
            : isEnd || !literal.AsSpan().StartsWith(rest, StringComparison.Ordinal) ? Done(false, 0)
            : 0;
    }
}

/// <summary>A short text up to the first of some ends; the end itself is not read.</summary>
internal sealed class Capture(params string[] ends) : Need
{
    private const int MaxLength = 256;

    /// <summary>The text.</summary>
    public string Text { get; private set; } = "";

    public override int Read(ReadOnlySpan<char> text, bool isEnd)
    {
        int first = -1;
        foreach (string end in ends)
        {
            if (text.IndexOf(end, StringComparison.Ordinal) is >= 0 and int at && (first < 0 || at < first))
                first = at;
        }
        if (first >= 0)
        {
            Text = text[..first].ToString();
            return Done(first <= MaxLength, first <= MaxLength ? first : 0);
        }
        return isEnd || text.Length > MaxLength + ends.Max(end => end.Length) ? Done(false, 0) : 0;
    }
}

/// <summary>Where markers begin.</summary>
internal static class Markers
{
    /// <summary>How many characters a text ends with that may be the beginning of a marker.</summary>
    public static int Held(ReadOnlySpan<char> text, ReadOnlySpan<string> markers)
    {
        int held = 0;
        foreach (string marker in markers)
        {
            for (int length = Math.Min(marker.Length - 1, text.Length); length > held; length--)
            {
                if (text.EndsWith(marker.AsSpan(0, length), StringComparison.Ordinal))
                    held = length;
            }
        }
        return held;
    }
}
