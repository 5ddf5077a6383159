using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Numbers as the bfloat16 dot product instruction (AVX-512 BF16) takes them, such that every other instruction set can do the
/// same to the bit. For each pair the instruction does <c>sum = fma(odd, odd, sum)</c> and then <c>sum = fma(even, even, sum)</c>, each
/// rounded to nearest, but reads and writes subnormal floats as zero. Where no factor but zero is below 2^-56, products
/// are multiples of 2^-126 (each factor has 7 fraction bits), hence their rounded sums are too, and nothing is subnormal.
/// </summary>
internal static unsafe class Bfloat16Pairs
{
    /// <summary>The least magnitude, 2^-56, that does not count as zero.</summary>
    public const float Least = 1.3877787807814457e-17f;

    /// <summary>Bytes of a pair of 16 rows.</summary>
    public const int VectorBytes = 2 * sizeof(ushort) * Panels.Height;

    private const ushort LeastBits = (127 - 56) << 7; // as a bfloat16

    /// <summary>Dwords of a pair each that a row takes.</summary>
    public static int Count(int columns) => (columns + 1) / 2;

    /// <summary>The same bfloat16s, zero where they are below <see cref="Least"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> WithoutTiny(Vector256<ushort> values)
    {
        // Compared as signed numbers, which every instruction set can.
        Vector256<short> magnitude = values.AsInt16() & Vector256.Create(short.MaxValue);
        return values & Vector256.GreaterThan(magnitude, Vector256.Create((short)(LeastBits - 1))).AsUInt16();
    }

    /// <summary>16 bfloat16s as floats.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Widen(ushort* values, float* floats)
    {
        (Vector256<uint> low, Vector256<uint> high) = Vector256.Widen(Vector256.Load(values));
        (low << 16).AsSingle().Store(floats);
        (high << 16).AsSingle().Store(floats + 8);
    }

    /// <summary>Pairs of 16 rows as floats: the odd column of each, then the even one, as their products are summed; a last one without a partner alone.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack(int* pairs, int columns, float* values)
    {
        for (int i = 0; i < columns; i += 2, pairs += Panels.Height)
        {
            Vector256<int> first = Vector256.Load(pairs), second = Vector256.Load(pairs + 8);
            if (i + 1 < columns)
            {
                Vector256<int> upper = Vector256.Create(unchecked((int)0xFFFF0000));
                (first & upper).AsSingle().Store(values);
                (second & upper).AsSingle().Store(values + 8);
                values += Panels.Height;
            }
            (first << 16).AsSingle().Store(values);
            (second << 16).AsSingle().Store(values + 8);
            values += Panels.Height;
        }
    }

    /// <summary>Rounds 16 floats to the nearest bfloat16, ties to even; a NaN stays one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<ushort> Round(float* x) =>
        WithoutTiny(Vector256.Narrow(RoundBits(Vector256.Load(x)), RoundBits(Vector256.Load(x + 8))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RoundBits(Vector256<float> x)
    {
        Vector256<uint> bits = x.AsUInt32(), odd = (bits >>> 16) & Vector256.Create(1u);
        Vector256<uint> rounded = bits + (odd + Vector256.Create(0x7FFFu));
        Vector256<uint> quiet = bits | Vector256.Create(0x0040_0000u); // rounding might carry a NaN over into zero
        return Vector256.ConditionalSelect(Vector256.IsNaN(x).AsUInt32(), quiet, rounded) >>> 16;
    }
}
