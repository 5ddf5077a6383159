namespace Sluice.Tensors.Formats;

/// <summary>The 16 levels of IQ4_NL and IQ4_XS: denser near 0, where weights are (numbers: ggml-common.h).</summary>
internal static class IQ4Levels
{
    /// <summary>The level of each code.</summary>
    public static ReadOnlySpan<sbyte> Table => [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    /// <summary>The levels for a search.</summary>
    public static Levels Levels { get; } = new(Table);
}
