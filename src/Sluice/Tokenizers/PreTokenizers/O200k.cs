using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers.PreTokenizers;

/// <summary>
/// The words of GPT-4o's o200k and of Mistral's Tekken, which keep capitals at a word's beginning, by hand;
/// <see cref="Pattern"/> is the definition.
/// </summary>
/// <param name="maxDigits">How many digits a number piece has at most.</param>
/// <param name="contractions">Whether 's, 't, 're and so on stay with the word before.</param>
internal sealed class O200k(int maxDigits, bool contractions) : PreTokenizer
{
    private const CharKinds Capitals = CharKinds.Upper | CharKinds.Caseless | CharKinds.Mark;
    private const CharKinds Smalls = CharKinds.Lower | CharKinds.Caseless | CharKinds.Mark;

    public string Pattern
    {
        get
        {
            const string Capital = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]";
            const string Small = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]";
            string suffix = contractions ? "(?i:'s|'t|'re|'ve|'m|'ll|'d)?" : "";
            return $@"[^\r\n\p{{L}}\p{{N}}]?{Capital}*{Small}+{suffix}|[^\r\n\p{{L}}\p{{N}}]?{Capital}+{Small}*{suffix}"
                + (maxDigits == 1 ? @"|\p{N}" : $@"|\p{{N}}{{1,{maxDigits}}}")
                + @"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        }
    }

    public override string Definition => Pattern;

    public override int Next(ReadOnlySpan<byte> text, int start, out bool isDropped)
    {
        isDropped = false;
        CharKinds kinds = Utf8Char.KindsAt(text, start, out int length);
        int next = start + length;
        if (Word(text, start, next, kinds) is var end && end > start)
            return contractions ? end + Scan.Contraction(text, end, ignoreCase: true) : end;
        if ((kinds & CharKinds.Number) != 0)
        {
            for (int digits = 1; digits < maxDigits && next < text.Length; digits++)
            {
                if ((Utf8Char.KindsAt(text, next, out length) & CharKinds.Number) == 0)
                    break;
                next += length;
            }
            return next;
        }
        if ((kinds & CharKinds.Space) != 0)
        {
            bool isFollowed = text[start] == ' ' && next < text.Length
                && (Utf8Char.KindsAt(text, next, out _) & (CharKinds.Space | CharKinds.Letter | CharKinds.Number)) == 0;
            if (!isFollowed)
                return Scan.SpacesAndLines(text, start);
        }
        next = Scan.Until(text, next, CharKinds.Space | CharKinds.Letter | CharKinds.Number);
        while (next < text.Length && text[next] is (byte)'\r' or (byte)'\n' or (byte)'/')
            next++;
        return next;
    }

    // The two word alternatives, each first with the optional character before the word and then without it, which only a
    // mark can also do without (it may be either).
    private static int Word(ReadOnlySpan<byte> text, int start, int next, CharKinds kinds)
    {
        if ((kinds & CharKinds.Letter) != 0)
            return CapitalsThenSmalls(text, start) is var end && end > start ? end : Scan.While(text, start, Capitals);
        if ((kinds & (CharKinds.Newline | CharKinds.Number)) != 0)
            return start;
        if (CapitalsThenSmalls(text, next) is var after && after > next)
            return after;
        if ((kinds & CharKinds.Mark) != 0)
            return CapitalsThenSmalls(text, start);
        after = Scan.While(text, next, Capitals);
        return after > next ? after : start;
    }

    // Capital*Small+ with backtracking: if no small letter follows the capitals, the last of them that can also be small
    // (caseless letters and marks are both) ends the word. Returns start if there is none.
    private static int CapitalsThenSmalls(ReadOnlySpan<byte> text, int start)
    {
        int position = start;
        int afterBoth = start;
        while (position < text.Length)
        {
            CharKinds kinds = Utf8Char.KindsAt(text, position, out int length);
            if ((kinds & CharKinds.Lower) != 0)
                return Scan.While(text, position + length, Smalls);
            if ((kinds & Capitals) == 0)
                break;
            position += length;
            if ((kinds & Smalls) != 0)
                afterBoth = position;
        }
        return afterBoth;
    }
}
