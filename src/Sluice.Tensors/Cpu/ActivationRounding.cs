using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>Rounds a token's activations as <see cref="ScalarOps"/> does, 8 at a time; they stay floats.</summary>
internal static unsafe class ActivationRounding
{
    private const int Lanes = 8;

    /// <summary>Rounds.</summary>
    /// <param name="precision">How; not static.</param>
    /// <param name="x">The activations.</param>
    /// <param name="result">Written.</param>
    /// <param name="count">How many.</param>
    /// <param name="range">The magnitude that the scale of all stands for, 0 for the largest of them.</param>
    /// <returns>What the sums of products are to be multiplied by.</returns>
    public static float Round(ActivationPrecision precision, float* x, float* result, int count, float range)
    {
        switch (precision)
        {
            case ActivationPrecision.BF16:
                Apply<BFloat16>(x, result, count, 1);
                break;
            case ActivationPrecision.FP8:
                float scale = Largest(x, count, range) / Float8.LargestE4M3;
                // As in a group of integers: what is below the normal numbers counts as zero, what is not finite spoils all.
                if (float.IsNormal(scale))
                {
                    Apply<E4M3>(x, result, count, scale);
                    return scale;
                }
                new Span<float>(result, count).Clear();
                return float.IsFinite(scale) ? 0 : float.NaN;
            case ActivationPrecision.Int8Token:
                RoundGroup(x, result, count, range);
                break;
            default:
                for (int i = 0; i < count; i += 32)
                    RoundGroup(x + i, result + i, Math.Min(32, count - i));
                break;
        }
        return 1;
    }

    private static void RoundGroup(float* x, float* result, int count, float range = 0)
    {
        float scale = Largest(x, count, range) / 127;
        if (float.IsNormal(scale))
            Apply<Integer>(x, result, count, scale);
        else
            new Span<float>(result, count).Fill(float.IsFinite(scale) ? 0 : float.NaN);
    }

    /// <summary>The largest magnitude, or the range if there is one; NaN or infinity if there is one.</summary>
    /// <param name="x">The values.</param>
    /// <param name="count">How many.</param>
    /// <param name="range">The range; 0 for none.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(float* x, int count, float range)
    {
        // As integers, the magnitudes of floats are in order, with infinity and then NaN the largest.
        Vector256<int> magnitude = Vector256.Create(int.MaxValue), most = Vector256<int>.Zero, more = Vector256<int>.Zero;
        int i = 0;
        for (; i <= count - 16; i += 16)
        {
            most = Vector256.Max(most, Vector256.Load((int*)x + i) & magnitude);
            more = Vector256.Max(more, Vector256.Load((int*)x + i + 8) & magnitude);
        }
        most = Vector256.Max(most, more);
        Vector128<int> four = Vector128.Max(most.GetLower(), most.GetUpper());
        four = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        four = Vector128.Max(four, Vector128.Shuffle(four, Vector128.Create(1, 0, 3, 2)));
        int bits = four[0];
        for (; i < count; i++)
            bits = Math.Max(bits, ((int*)x)[i] & int.MaxValue);
        float largest = BitConverter.Int32BitsToSingle(bits);
        return range > 0 && float.IsFinite(largest) ? range : largest;
    }

    private interface IRounding
    {
        /// <summary>Rounds values.</summary>
        static abstract Vector256<float> Round(Vector256<float> x, float scale);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Apply<TRounding>(float* x, float* result, int count, float scale)
        where TRounding : struct, IRounding
    {
        int i = 0;
        for (; i <= count - Lanes; i += Lanes)
            TRounding.Round(Vector256.Load(x + i), scale).Store(result + i);
        if (i == count)
            return;
        float* last = stackalloc float[Lanes];
        new Span<float>(last, Lanes).Clear();
        new Span<float>(x + i, count - i).CopyTo(new Span<float>(last, Lanes));
        TRounding.Round(Vector256.Load(last), scale).Store(last);
        new Span<float>(last, count - i).CopyTo(new Span<float>(result + i, count - i));
    }

    private struct BFloat16 : IRounding
    {
        public static Vector256<float> Round(Vector256<float> x, float scale)
        {
            Vector256<uint> bits = x.AsUInt32(), odd = (bits >>> 16) & Vector256.Create(1u);
            Vector256<uint> rounded = bits + (odd + Vector256.Create(0x7FFFu));
            Vector256<uint> quiet = bits | Vector256.Create(0x0040_0000u);
            return (Vector256.ConditionalSelect(Vector256.IsNaN(x).AsUInt32(), quiet, rounded) & Vector256.Create(0xFFFF_0000u)).AsSingle();
        }
    }

    private struct Integer : IRounding
    {
        // Adding 1.5 * 2^23 leaves no bits for a fraction. The sign of a zero is lost, as in an integer.
        public static Vector256<float> Round(Vector256<float> x, float scale)
        {
            Vector256<float> magic = Vector256.Create(12582912f);
            return ((x * Vector256.Create(1 / scale)) + magic - magic) * Vector256.Create(scale);
        }
    }

    private struct E4M3 : IRounding
    {
        public static Vector256<float> Round(Vector256<float> x, float scale)
        {
            Vector256<float> y = x / Vector256.Create(scale);
            // Normal numbers keep 3 bits of fraction; below 2^-6 all are multiples of 2^-9, which adding 1.5 * 2^14 rounds to.
            Vector256<uint> bits = y.AsUInt32(), odd = (bits >>> 20) & Vector256.Create(1u);
            Vector256<float> normal = ((bits + (odd + Vector256.Create(0x7FFFFu))) & Vector256.Create(0xFFF0_0000u)).AsSingle();
            Vector256<float> magic = Vector256.Create(24576f), small = y + magic - magic;
            Vector256<float> isSmall = Vector256.LessThan(Vector256.Abs(y), Vector256.Create(0.015625f));
            Vector256<float> rounded = Vector256.ConditionalSelect(isSmall, small, normal);
            // The zero of a negative number is negative.
            Vector256<float> signs = y & Vector256.Create(-0f);
            return Vector256.Abs(rounded) | signs;
        }
    }
}
