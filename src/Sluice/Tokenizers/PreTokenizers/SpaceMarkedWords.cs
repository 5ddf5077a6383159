namespace Sluice.Tokenizers.PreTokenizers;

/// <summary>Words of a text whose spaces are written U+2581; each begins with those before it.</summary>
/// <param name="eachSpace">Whether of several spaces each begins a piece of its own.</param>
internal sealed class SpaceMarkedWords(bool eachSpace = false) : PreTokenizer
{
    public override string Definition => eachSpace ? "pieces that begin with one U+2581" : "words that begin with U+2581";

    public override int Next(ReadOnlySpan<byte> text, int start, out bool isDropped)
    {
        isDropped = false;
        ReadOnlySpan<byte> mark = PieceBytes.SpaceMark;
        int end = start;
        if (eachSpace && text[end..].StartsWith(mark))
            end += mark.Length;
        while (!eachSpace && text[end..].StartsWith(mark))
            end += mark.Length;
        int next = text[end..].IndexOf(mark);
        return next < 0 ? text.Length : end + next;
    }
}
