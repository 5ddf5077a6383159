using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Cpu;

/// <summary>Half precision to single, 16 at a time, which .NET has no instruction for.</summary>
internal static unsafe class HalfBits
{
    // A half's exponent and fraction, moved to where a single keeps them, mean 2^-112 of its value, subnormals included, so
    // one exact product converts them. Infinity and NaN need the highest exponent instead.
    private static Vector256<float> PowerOf112 => Vector256.Create(5.1922968585348276e33f);

    /// <summary>Converts 16 halves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void ToSingles(ushort* halves, float* singles)
    {
        (Vector256<int> low, Vector256<int> high) = Vector256.Widen(Vector256.Load((short*)halves));
        ToSingle(low).Store(singles);
        ToSingle(high).Store(singles + 8);
    }

    /// <summary>Converts 16 halves of which none is infinite or NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FiniteToSingles(ushort* halves, float* singles)
    {
        (Vector256<int> low, Vector256<int> high) = Vector256.Widen(Vector256.Load((short*)halves));
        FiniteToSingle(low).Store(singles);
        FiniteToSingle(high).Store(singles + 8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> FiniteToSingle(Vector256<int> halves) =>
        ((halves << 13) & Vector256.Create(unchecked((int)0x8FFFE000))).AsSingle() * PowerOf112;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> ToSingle(Vector256<int> halves)
    {
        Vector256<int> bits = FiniteToSingle(halves).AsInt32();
        Vector256<int> special = Vector256.Equals(halves & Vector256.Create(0x7C00), Vector256.Create(0x7C00));
        return (bits | (special & Vector256.Create(0x7F800000))).AsSingle();
    }
}
