using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers.PreTokenizers;

/// <summary>
/// Cuts numbers into groups of three from the right, as one writes thousands (1234567: 1, 234, 567); the text between is one
/// piece. The published patterns look ahead over the whole number from each digit; counting once does the same.
/// </summary>
/// <param name="wholeWords">Only where a number is not followed by a letter, mark or underscore (Tiny Aya's \b).</param>
internal sealed class DigitGroups(bool wholeWords = false) : PreTokenizer
{
    private const CharKinds WordKinds = CharKinds.Letter | CharKinds.Mark | CharKinds.Number;

    public override int Next(ReadOnlySpan<byte> text, int start, out bool isDropped)
    {
        isDropped = false;
        if (start > 0 && IsNumber(text, Utf8Char.Before(text, start)) && IsNumber(text, start))
            return Skip(text, start, 3); // within a number that was cut before: counting it again would be quadratic
        int end = Scan.While(text, start, CharKinds.Number);
        if (end > start && IsCut(text, end))
        {
            int digits = 0;
            for (int i = start; i < end; i++)
                digits += (text[i] & 0xC0) != 0x80 ? 1 : 0;
            return Skip(text, start, digits % 3 == 0 ? 3 : digits % 3);
        }
        while (end < text.Length)
        {
            int number = Scan.Until(text, end, CharKinds.Number);
            end = Scan.While(text, number, CharKinds.Number);
            if (end > number && IsCut(text, end))
                return number;
        }
        return end;
    }

    private static bool IsNumber(ReadOnlySpan<byte> text, int position) =>
        (Utf8Char.KindsAt(text, position, out _) & CharKinds.Number) != 0;

    private static int Skip(ReadOnlySpan<byte> text, int position, int characters)
    {
        while (characters-- > 0 && position < text.Length)
        {
            Utf8Char.KindsAt(text, position, out int length);
            position += length;
        }
        return position;
    }

    private bool IsCut(ReadOnlySpan<byte> text, int end) => !wholeWords || end == text.Length
        || (text[end] != '_' && (Utf8Char.KindsAt(text, end, out _) & WordKinds) == 0);
}
