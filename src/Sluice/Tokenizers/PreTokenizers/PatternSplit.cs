using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Sluice.Tokenizers.Patterns;

namespace Sluice.Tokenizers.PreTokenizers;

/// <summary>Each match of a pattern is a piece, and so is what lies between matches.</summary>
/// <param name="pattern">A regular expression.</param>
/// <param name="dropMatches">Leave the matches out.</param>
/// <param name="dropGaps">Leave out what lies between them.</param>
internal sealed partial class PatternSplit(string pattern, bool dropMatches = false, bool dropGaps = false) : PreTokenizer
{
    private readonly Pattern _pattern = new(pattern);

    public override string Definition =>
        CodePoint().Replace(pattern, match => new Rune(int.Parse(match.Groups["hex"].ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture)).ToString())
        + (dropMatches ? " left out" : "") + (dropGaps ? " alone" : "");

    public override int Next(ReadOnlySpan<byte> text, int start, out bool isDropped)
    {
        int match = _pattern.Find(text, start, out int end);
        isDropped = match == start ? dropMatches : dropGaps;
        return match == start ? end : match;
    }

    // A character by its number, which others write as itself.
    [GeneratedRegex(@"\\(u(?<hex>[0-9A-Fa-f]{4})|x\{(?<hex>[0-9A-Fa-f]+)\})", RegexOptions.CultureInvariant)]
    private static partial Regex CodePoint();
}
