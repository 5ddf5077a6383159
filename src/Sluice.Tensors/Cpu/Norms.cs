using System.Runtime.CompilerServices;

namespace Sluice.Tensors.Cpu;

/// <summary>Norms of one vector.</summary>
internal static unsafe class Norms
{
    /// <summary>result = x / sqrt(mean(x^2) + epsilon) * weight.</summary>
    public static void RootMeanSquare(float* x, float* weight, float epsilon, float* result, int count)
    {
        float squares = Traverse.Sum(new Squares(x, 0), count);
        float scale = 1 / MathF.Sqrt((squares / count) + epsilon);
        Elementwise.Map(new Functions.Normalize(0, scale), x, weight, result, count);
    }

    /// <summary>result = (x - mean) / sqrt(variance + epsilon) * weight + bias, if any.</summary>
    public static void Layer(float* x, float* weight, float* bias, float epsilon, float* result, int count)
    {
        float mean = Traverse.Sum(new Values(x), count) / count;
        float squares = Traverse.Sum(new Squares(x, mean), count);
        float scale = 1 / MathF.Sqrt((squares / count) + epsilon);
        Elementwise.Map(new Functions.Normalize(mean, scale), x, weight, result, count);
        if (bias is not null)
            Elementwise.Map(default(Functions.Plus), result, bias, result, count);
    }

    private readonly struct Values(float* x) : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V AddTo<S, V>(V sum, int i)
            where S : struct, ISimd<V>
            where V : unmanaged => S.Add(sum, S.Load(x + i));
    }

    private readonly struct Squares(float* x, float mean) : ITerm
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V AddTo<S, V>(V sum, int i)
            where S : struct, ISimd<V>
            where V : unmanaged
        {
            V deviation = S.Subtract(S.Load(x + i), S.Create(mean));
            return S.MultiplyAdd(deviation, deviation, sum);
        }
    }
}
