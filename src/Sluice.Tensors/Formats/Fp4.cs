namespace Sluice.Tensors.Formats;

/// <summary>
/// The 4-bit floats (1 sign, 2 exponent and 1 fraction bits) of MXFP4 and NVFP4, doubled so that they are integers: 0, 0.5,
/// 1, 1.5, 2, 3, 4, 6 and their negatives. Source: OCP Microscaling Formats specification 1.0, E2M1.
/// </summary>
internal static class Fp4
{
    /// <summary>Twice the value of each code.</summary>
    public static ReadOnlySpan<sbyte> Doubled => [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
}
