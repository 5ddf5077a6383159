using System.Globalization;
using Sluice.Tokenizers.Templates.Values;

namespace Sluice.Tokenizers.Templates.Functions;

/// <summary>What characters are.</summary>
internal static class TextKinds
{
    /// <summary>Whether there are characters and all are of a kind.</summary>
    public static bool All(string text, Func<string, int, bool> isKind)
    {
        for (int i = 0; i < text.Length; i += CodePoints.LengthAt(text, i))
        {
            if (!isKind(text, i))
                return false;
        }
        return text.Length > 0;
    }

    public static bool IsLetter(string text, int i) => CharUnicodeInfo.GetUnicodeCategory(text, i)
        is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
        or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter;

    public static bool IsDecimal(string text, int i) =>
        CharUnicodeInfo.GetUnicodeCategory(text, i) is UnicodeCategory.DecimalDigitNumber;

    public static bool IsDigit(string text, int i) => IsDecimal(text, i) || CharUnicodeInfo.GetDigitValue(text, i) >= 0;

    public static bool IsNumeric(string text, int i) => IsDigit(text, i) || CharUnicodeInfo.GetNumericValue(text, i) != -1;

    public static bool IsIdentifier(string text) => text.Length > 0
        && (text[0] == '_' || IsLetter(text, 0) || CharUnicodeInfo.GetUnicodeCategory(text, 0) is UnicodeCategory.LetterNumber)
        && All(text, (s, i) => s[i] == '_' || IsLetter(s, i) || IsDecimal(s, i) || CharUnicodeInfo.GetUnicodeCategory(s, i)
            is UnicodeCategory.LetterNumber or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
            or UnicodeCategory.ConnectorPunctuation);
}
