using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Cpu;

/// <summary>What happens to the elements from <c>i</c> on, as many as a vector holds, each on its own.</summary>
internal interface IStep
{
    void Run<S, V>(int i)
        where S : struct, ISimd<V>
        where V : unmanaged;
}

/// <summary>A sum's terms of the elements from <c>i</c> on.</summary>
internal interface ITerm
{
    /// <summary>The terms, added to those before.</summary>
    V AddTo<S, V>(V sum, int i)
        where S : struct, ISimd<V>
        where V : unmanaged;
}

/// <summary>
/// The loops that element-wise kernels share: the widest vectors, then narrower ones for what is left. Since lanes round
/// alike at every width, an element's result does not depend on its place.
/// </summary>
internal static class Traverse
{
    /// <summary>Runs a step over all elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<T>(T step, int count)
        where T : struct, IStep
    {
        int i = 0;
        if (Vector512.IsHardwareAccelerated)
        {
            for (; i <= count - Vector512<float>.Count; i += Vector512<float>.Count)
                step.Run<Simd512, Vector512<float>>(i);
        }
        if (Vector256.IsHardwareAccelerated)
        {
            for (; i <= count - Vector256<float>.Count; i += Vector256<float>.Count)
                step.Run<Simd256, Vector256<float>>(i);
        }
        if (Vector128.IsHardwareAccelerated)
        {
            for (; i <= count - Vector128<float>.Count; i += Vector128<float>.Count)
                step.Run<Simd128, Vector128<float>>(i);
        }
        for (; i < count; i++)
            step.Run<Simd1, float>(i);
    }

    /// <summary>Sums terms over all elements, in an order that depends on their number alone.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum<T>(T term, int count)
        where T : struct, ITerm
    {
        int i = 0;
        float sum = 0;
        if (Vector512.IsHardwareAccelerated)
            sum += SumOf<Simd512, Vector512<float>, T>(term, ref i, count);
        if (Vector256.IsHardwareAccelerated)
            sum += SumOf<Simd256, Vector256<float>, T>(term, ref i, count);
        if (Vector128.IsHardwareAccelerated)
            sum += SumOf<Simd128, Vector128<float>, T>(term, ref i, count);
        return sum + SumOf<Simd1, float, T>(term, ref i, count);
    }

    // Four sums side by side, since an addition takes several cycles and does not wait for its neighbours.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float SumOf<S, V, T>(T term, ref int start, int count)
        where S : struct, ISimd<V>
        where V : unmanaged
        where T : struct, ITerm
    {
        int i = start, width = S.Width;
        V sum0 = S.Create(0), sum1 = sum0, sum2 = sum0, sum3 = sum0;
        for (; i <= count - (4 * width); i += 4 * width)
        {
            sum0 = term.AddTo<S, V>(sum0, i);
            sum1 = term.AddTo<S, V>(sum1, i + width);
            sum2 = term.AddTo<S, V>(sum2, i + (2 * width));
            sum3 = term.AddTo<S, V>(sum3, i + (3 * width));
        }
        for (; i <= count - width; i += width)
            sum0 = term.AddTo<S, V>(sum0, i);
        start = i;
        return S.Sum(S.Add(S.Add(sum0, sum1), S.Add(sum2, sum3)));
    }
}
