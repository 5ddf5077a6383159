namespace Sluice.Tensors.Formats;

/// <summary>
/// The 4-bit floats (1 sign, 2 exponent and 1 fraction bits) of MXFP4 and NVFP4, doubled so that they are integers: 0, 0.5,
/// 1, 1.5, 2, 3, 4, 6 and their negatives. Source: OCP Microscaling Formats specification 1.0, E2M1.
/// </summary>
internal static class Fp4
{
    /// <summary>Twice the value of each code.</summary>
    public static ReadOnlySpan<sbyte> Doubled => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

    /// <summary>The distinct doubled values for a search (0 twice, to be 16).</summary>
    public static Levels Levels { get; } = new([-12, -8, -6, -4, -3, -2, -1, 0, 0, 1, 2, 3, 4, 6, 8, 12]);

    /// <summary>The code of the nearest doubled value, of two as near the one nearer to 0.</summary>
    public static sbyte Nearest(float doubled)
    {
        int code = 0;
        while (code < 7 && MathF.Abs(doubled) > 0.5f * (Doubled[code] + Doubled[code + 1]))
            code++;
        return (sbyte)(code > 0 && doubled < 0 ? code | 8 : code);
    }
}
