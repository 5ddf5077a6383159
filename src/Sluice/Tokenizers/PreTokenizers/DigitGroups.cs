using Sluice.Tokenizers.Unicode;

namespace Sluice.Tokenizers.PreTokenizers;

/// <summary>
/// Cuts numbers into groups of three from the right, as one writes thousands (1234567: 1, 234, 567); the text between is one
/// piece. The published patterns look ahead over the whole number from each digit; counting once does the same.
/// </summary>
/// <param name="digits">What a digit is: <see cref="CharKinds.Digit"/> or <see cref="CharKinds.Number"/>.</param>
/// <param name="wholeWords">Only where a number is not followed by a letter, mark or underscore (Tiny Aya's \b).</param>
internal sealed class DigitGroups(CharKinds digits, bool wholeWords = false) : PreTokenizer
{
    private const CharKinds WordKinds = CharKinds.Letter | CharKinds.Mark | CharKinds.Digit;

    public override string Definition => $"groups of three of {digits}{(wholeWords ? " that are words" : "")}";

    public override int Next(ReadOnlySpan<byte> text, int start, out bool isDropped)
    {
        isDropped = false;
        if (start > 0 && IsDigit(text, Utf8Char.Before(text, start)) && IsDigit(text, start))
            return Skip(text, start, 3); // within a number that was cut before: counting it again would be quadratic
        int end = Scan.While(text, start, digits);
        if (end > start && IsCut(text, end))
        {
            int count = 0;
            for (int i = start; i < end; i++)
                count += (text[i] & 0xC0) != 0x80 ? 1 : 0;
            return Skip(text, start, count % 3 == 0 ? 3 : count % 3);
        }
        while (end < text.Length)
        {
            int number = Scan.Until(text, end, digits);
            end = Scan.While(text, number, digits);
            if (end > number && IsCut(text, end))
                return number;
        }
        return end;
    }

    private bool IsDigit(ReadOnlySpan<byte> text, int position) =>
        (Utf8Char.KindsAt(text, position, out _) & digits) != 0;

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
