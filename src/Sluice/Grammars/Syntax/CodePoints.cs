namespace Sluice.Grammars.Syntax;

/// <summary>A set of Unicode characters, as ranges in ascending order that do not touch. Halves of surrogate pairs are none.</summary>
internal sealed class CodePoints
{
    public const int Max = 0x10FFFF;

    private CodePoints(IEnumerable<(int First, int Last)> ranges)
    {
        List<(int First, int Last)> joined = [];
        foreach ((int first, int last) in ranges.Where(range => range.First <= range.Last).Order())
        {
            if (joined.Count > 0 && first <= joined[^1].Last + 1)
                joined[^1] = (joined[^1].First, Math.Max(joined[^1].Last, last));
            else
                joined.Add((first, last));
        }
        Ranges = joined;
    }

    public IReadOnlyList<(int First, int Last)> Ranges { get; }

    public static CodePoints Of(params ReadOnlySpan<(int First, int Last)> ranges) => new(ranges.ToArray().SelectMany(WithoutSurrogates));

    public static CodePoints One(int codePoint) => Of((codePoint, codePoint));

    public static CodePoints All { get; } = Of((0, Max));

    public CodePoints With(CodePoints other) => new(Ranges.Concat(other.Ranges));

    public CodePoints Without(CodePoints other) => Inverse.With(other).Inverse;

    /// <summary>All characters that are not in the set.</summary>
    public CodePoints Inverse
    {
        get
        {
            List<(int, int)> gaps = [];
            int next = 0;
            foreach ((int first, int last) in Ranges)
            {
                gaps.Add((next, first - 1));
                next = last + 1;
            }
            gaps.Add((next, Max));
            return Of([.. gaps]);
        }
    }

    public bool Contains(int codePoint) => Ranges.Any(range => range.First <= codePoint && codePoint <= range.Last);

    private static IEnumerable<(int, int)> WithoutSurrogates((int First, int Last) range) =>
        [(range.First, Math.Min(range.Last, 0xD7FF)), (Math.Max(range.First, 0xE000), range.Last)];
}
