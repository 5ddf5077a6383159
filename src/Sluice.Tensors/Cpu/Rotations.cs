using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Cpu;

/// <summary>Rotates pairs of a head's values (RoPE): (a, b) becomes (a cos - b sin, a sin + b cos).</summary>
internal static unsafe class Rotations
{
    /// <summary>Pairs of values i and i + pairs.</summary>
    public static void Halves(float* values, float* cosines, float* sines, int pairs) =>
        Traverse.Run(new HalvesStep(values, values + pairs, cosines, sines), pairs);

    /// <summary>Pairs of values 2i and 2i + 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Adjacent(float* values, float* cosines, float* sines, int pairs)
    {
        int i = 0;
        if (Vector512.IsHardwareAccelerated)
            i = Adjacent<Simd512, Vector512<float>>(values, cosines, sines, i, pairs);
        if (Vector256.IsHardwareAccelerated)
            i = Adjacent<Simd256, Vector256<float>>(values, cosines, sines, i, pairs);
        if (Vector128.IsHardwareAccelerated)
            i = Adjacent<Simd128, Vector128<float>>(values, cosines, sines, i, pairs);
        for (; i < pairs; i++)
        {
            (float a, float b) = (values[2 * i], values[(2 * i) + 1]);
            values[2 * i] = (a * cosines[i]) - (b * sines[i]);
            values[(2 * i) + 1] = (a * sines[i]) + (b * cosines[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Adjacent<S, V>(float* values, float* cosines, float* sines, int i, int pairs)
        where S : struct, ISimdPairs<V>
        where V : unmanaged
    {
        for (; i <= pairs - (S.Width / 2); i += S.Width / 2)
        {
            V x = S.Load(values + (2 * i)); // a b a b ...
            V turned = S.Multiply(S.SwapPairs(x), S.AddBits(S.LoadTwice(sines + i), S.EvenSigns)); // b * -sin, a * sin, ...
            S.Store(values + (2 * i), S.Add(S.Multiply(x, S.LoadTwice(cosines + i)), turned));
        }
        return i;
    }

    private readonly struct HalvesStep(float* first, float* second, float* cosines, float* sines) : IStep
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<S, V>(int i)
            where S : struct, ISimd<V>
            where V : unmanaged
        {
            (V a, V b) = (S.Load(first + i), S.Load(second + i));
            (V cos, V sin) = (S.Load(cosines + i), S.Load(sines + i));
            S.Store(first + i, S.Subtract(S.Multiply(a, cos), S.Multiply(b, sin)));
            S.Store(second + i, S.Add(S.Multiply(a, sin), S.Multiply(b, cos)));
        }
    }
}
