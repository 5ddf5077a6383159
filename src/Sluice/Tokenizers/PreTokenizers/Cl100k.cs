using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers.PreTokenizers;

/// <summary>
/// The words of GPT-4's cl100k and of those that took its pattern with small changes (Llama 3, Qwen, GLM, ...), by hand;
/// <see cref="Pattern"/> is the definition.
/// </summary>
/// <param name="maxDigits">How many digits a number piece has at most: 1, 3, or <see cref="int.MaxValue"/>.</param>
/// <param name="contractions">Whether 's, 't, 're and so on are pieces.</param>
/// <param name="marks">Whether combining marks belong to words (Qwen 3.5).</param>
internal sealed class Cl100k(int maxDigits, bool contractions = true, bool marks = false) : PreTokenizer
{
    private readonly CharKinds _word = marks ? CharKinds.Letter | CharKinds.Mark : CharKinds.Letter;

    public string Pattern => (contractions ? "(?i:'s|'t|'re|'ve|'m|'ll|'d)|" : "")
        + (marks ? @"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+" : @"[^\r\n\p{L}\p{N}]?\p{L}+")
        + (maxDigits switch { 1 => @"|\p{N}", int.MaxValue => @"|\p{N}+", _ => $@"|\p{{N}}{{1,{maxDigits}}}" })
        + (marks ? @"| ?[^\s\p{L}\p{M}\p{N}]+" : @"| ?[^\s\p{L}\p{N}]+") + @"[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public override string Definition => Pattern;

    public override int Next(ReadOnlySpan<byte> text, int start, out bool isDropped)
    {
        isDropped = false;
        if (contractions && Scan.Contraction(text, start, ignoreCase: true) is var contraction && contraction > 0)
            return start + contraction;
        CharKinds kinds = Utf8Char.KindsAt(text, start, out int length);
        int next = start + length;
        if ((kinds & _word) != 0)
            return Scan.While(text, next, _word);
        if ((kinds & CharKinds.Number) != 0)
            return Numbers(text, next);

        CharKinds nextKinds = next < text.Length ? Utf8Char.KindsAt(text, next, out length) : CharKinds.Space;
        if ((nextKinds & _word) != 0 && (kinds & CharKinds.Newline) == 0)
            return Scan.While(text, next + length, _word);
        bool isSpace = (kinds & CharKinds.Space) != 0;
        if (isSpace && (text[start] != ' ' || (nextKinds & (CharKinds.Space | CharKinds.Number)) != 0))
            return Scan.SpacesAndLines(text, start);
        next = Scan.Until(text, next, CharKinds.Space | CharKinds.Number | _word);
        return Scan.While(text, next, CharKinds.Newline);
    }

    private int Numbers(ReadOnlySpan<byte> text, int position)
    {
        for (int digits = 1; digits < maxDigits && position < text.Length; digits++)
        {
            if ((Utf8Char.KindsAt(text, position, out int length) & CharKinds.Number) == 0)
                break;
            position += length;
        }
        return position;
    }
}
