using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers.PreTokenizers;

/// <summary>GPT-2's words, by hand; <see cref="Pattern"/> is the definition.</summary>
internal sealed class Gpt2 : PreTokenizer
{
    public const string Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    public override string Definition => Pattern;

    public override int Next(ReadOnlySpan<byte> text, int start, out bool isDropped)
    {
        isDropped = false;
        if (Scan.Contraction(text, start, ignoreCase: false) is var contraction && contraction > 0)
            return start + contraction;
        CharKinds kinds = Utf8Char.KindsAt(text, start, out int length);
        int next = start + length;
        if (text[start] == ' ' && next < text.Length)
        {
            kinds = Utf8Char.KindsAt(text, next, out length);
            next += length;
        }
        if ((kinds & CharKinds.Letter) != 0)
            return Scan.While(text, next, CharKinds.Letter);
        if ((kinds & CharKinds.Number) != 0)
            return Scan.While(text, next, CharKinds.Number);
        return (kinds & CharKinds.Space) == 0
            ? Scan.Until(text, next, CharKinds.Space | CharKinds.Letter | CharKinds.Number)
            : Scan.Spaces(text, start);
    }
}
