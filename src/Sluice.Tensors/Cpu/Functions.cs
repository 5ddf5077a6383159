using System.Runtime.CompilerServices;

namespace Sluice.Tensors.Cpu;

/// <summary>The element-wise functions of <see cref="Ops"/>.</summary>
internal static unsafe class Functions
{
    /// <summary>result = activation(gate) * up, or what else a gated unit is, for <paramref name="count"/> values.</summary>
    public static void Gate(Activation activation, float* gate, float* up, float* result, int count)
    {
        switch (activation)
        {
            case Activation.Silu:
                Elementwise.Map(default(Gated<Silu>), gate, up, result, count);
                break;
            case Activation.Gelu:
                Elementwise.Map(default(Gated<Gelu>), gate, up, result, count);
                break;
            case Activation.Relu:
                Elementwise.Map(default(Gated<Relu>), gate, up, result, count);
                break;
            case Activation.ReluSquared:
                Elementwise.Map(default(Gated<ReluSquared>), gate, up, result, count);
                break;
            case Activation.Softplus:
                Elementwise.Map(default(Gated<Softplus>), gate, up, result, count);
                break;
            case Activation.OaiSwiGlu:
                Elementwise.Map(default(OaiSwiGlu), gate, up, result, count);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(activation), activation, "No such activation.");
        }
    }

    /// <summary>A gated unit of rows.</summary>
    internal readonly struct Gating(Activation activation) : IRowFunction
    {
        public void Apply(float* x, float* y, float* result, int count) => Gate(activation, x, y, result, count);
    }

    /// <summary>x + y.</summary>
    internal readonly struct Plus : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged => S.Add(x, y);
    }

    /// <summary>x * factor.</summary>
    internal readonly struct Times(float factor) : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged =>
            S.Multiply(x, S.Create(factor));
    }

    /// <summary>x * a + y * b.</summary>
    internal readonly struct Blend(float a, float b) : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged => S.MultiplyAdd(x, S.Create(a), S.Multiply(y, S.Create(b)));
    }

    /// <summary>cap * tanh(x / cap).</summary>
    internal readonly struct SoftCap(float cap) : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged =>
            S.Multiply(S.Create(cap), VectorMath.Tanh<S, V>(S.Divide(x, S.Create(cap))));
    }

    /// <summary>(x - mean) * scale * y.</summary>
    internal readonly struct Normalize(float mean, float scale) : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged =>
            S.Multiply(S.Multiply(S.Subtract(x, S.Create(mean)), S.Create(scale)), y);
    }

    /// <summary>x * sigmoid(x).</summary>
    internal readonly struct Silu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged =>
            VectorMath.TimesSigmoid<S, V>(x, S.Subtract(S.Create(0), x));
    }

    /// <summary>x / 2 * (1 + tanh(u)), which is x * sigmoid(2u), for u = sqrt(2 / pi) * (x + 0.044715 x^3).</summary>
    internal readonly struct Gelu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged
        {
            V minusTwo = S.Create(-1.5957691f); // -2 sqrt(2 / pi)
            V u = S.MultiplyAdd(S.Multiply(S.Multiply(x, x), S.Create(0.044715f)), x, x);
            return VectorMath.TimesSigmoid<S, V>(x, S.Multiply(u, minusTwo));
        }
    }

    /// <summary>max(x, 0).</summary>
    internal readonly struct Relu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged => S.Max(S.Create(0), x);
    }

    /// <summary>max(x, 0)^2.</summary>
    internal readonly struct ReluSquared : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged
        {
            V positive = S.Max(S.Create(0), x);
            return S.Multiply(positive, positive);
        }
    }

    /// <summary>log(1 + exp(x)).</summary>
    internal readonly struct Softplus : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged => VectorMath.Softplus<S, V>(x);
    }

    /// <summary>exp(x - y).</summary>
    internal readonly struct ExpOfDifference : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged => VectorMath.Exp<S, V>(S.Subtract(x, y));
    }

    /// <summary>f(x) * y.</summary>
    internal readonly struct Gated<F>(F function) : IFunction
        where F : struct, IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged => S.Multiply(function.Apply<S, V>(x, x), y);
    }

    /// <summary>The gate of GPT-oss; see <see cref="Activation.OaiSwiGlu"/>.</summary>
    internal readonly struct OaiSwiGlu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Apply<S, V>(V x, V y)
            where S : struct, ISimd<V>
            where V : unmanaged
        {
            V gate = S.Min(S.Create(7), x);
            V up = S.Max(S.Create(-7), S.Min(S.Create(7), y));
            V activated = VectorMath.TimesSigmoid<S, V>(gate, S.Multiply(gate, S.Create(-1.702f)));
            return S.Multiply(activated, S.Add(up, S.Create(1)));
        }
    }
}
