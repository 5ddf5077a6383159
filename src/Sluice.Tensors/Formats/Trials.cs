using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Formats;

/// <summary>
/// Sixteen trials of a search side by side, one a lane of a vector: every lane does its float operations in the order of a plain loop,
/// so that results are the same on every machine, and nothing is ever summed across lanes.
/// </summary>
internal static class Trials
{
    /// <summary>Trials of a vector.</summary>
    public const int Count = 16;

    /// <summary>The numbers of the lanes, 0 to 15.</summary>
    public static Vector512<float> Numbers => Vector512.Create(0f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    /// <summary>1 / scale, and 0 where the scale is 0.</summary>
    public static Vector512<float> Inverse(Vector512<float> scale) =>
        Vector512.AndNot(Vector512<float>.One / scale, Vector512.Equals(scale, Vector512<float>.Zero));

    /// <summary>Between two numbers. The instructions differ between machines for NaN alone.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Clamp(Vector512<float> x, Vector512<float> lowest, Vector512<float> highest) =>
        Vector512.MinNative(Vector512.MaxNative(x, lowest), highest);

    /// <summary>The trial of the least error, the first of several; the first of all where no error is a number.</summary>
    public static (int Lane, float Error) Best(Vector512<float> errors)
    {
        errors = Vector512.ConditionalSelect(Vector512.Equals(errors, errors), errors, Vector512.Create(float.PositiveInfinity));
        Vector256<float> eight = Vector256.MinNative(errors.GetLower(), errors.GetUpper());
        Vector128<float> four = Vector128.MinNative(eight.GetLower(), eight.GetUpper());
        four = Vector128.MinNative(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        float least = MathF.Min(four[0], four[1]);
        ulong lanes = Vector512.Equals(errors, Vector512.Create(least)).ExtractMostSignificantBits();
        return (BitOperations.TrailingZeroCount(lanes), least);
    }
}
