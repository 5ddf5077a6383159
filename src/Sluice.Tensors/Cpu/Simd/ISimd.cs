namespace Sluice.Tensors.Cpu;

/// <summary>
/// Float vectors of one width, so that a kernel is written once and compiled for each: <see cref="Simd512"/>,
/// <see cref="Simd256"/>, <see cref="Simd128"/> (SSE or Arm AdvSimd) and <see cref="Simd1"/>, which handles what is left over
/// at a row's end and machines without vectors. Every operation acts on each lane alone and rounds the same at every width,
/// so that a value does not depend on where in a row it stands.
/// </summary>
/// <typeparam name="V">The vector.</typeparam>
internal unsafe interface ISimd<V>
    where V : unmanaged
{
    /// <summary>Lanes.</summary>
    static abstract int Width { get; }

    static abstract V Load(float* from);

    static abstract void Store(float* to, V value);

    static abstract V Create(float value);

    static abstract V CreateBits(uint bits);

    static abstract V Add(V a, V b);

    static abstract V Subtract(V a, V b);

    static abstract V Multiply(V a, V b);

    static abstract V Divide(V a, V b);

    /// <summary>a * b + c, rounded once where the processor can; see <see cref="Simd1.HasMultiplyAdd"/>.</summary>
    static abstract V MultiplyAdd(V a, V b, V c);

    /// <summary>The smaller one; <paramref name="b"/> where either is not a number.</summary>
    static abstract V Min(V a, V b);

    /// <summary>The larger one; <paramref name="b"/> where either is not a number.</summary>
    static abstract V Max(V a, V b);

    /// <summary>All bits set where a &lt; b.</summary>
    static abstract V LessThan(V a, V b);

    /// <summary>All bits set where the bits are equal.</summary>
    static abstract V EqualBits(V a, V b);

    /// <summary>All bits set where a is not a number.</summary>
    static abstract V IsNaN(V a);

    /// <summary>Bitwise a where the mask is set, else b.</summary>
    static abstract V Select(V mask, V a, V b);

    static abstract V And(V a, V b);

    static abstract V Or(V a, V b);

    /// <summary>The sum of the bits as 32-bit integers, wrapping.</summary>
    static abstract V AddBits(V a, V b);

    static abstract V ShiftLeft(V a, int count);

    /// <summary>Shifts zeros in.</summary>
    static abstract V ShiftRight(V a, int count);

    /// <summary>Signed bytes as the integers of each lane.</summary>
    static abstract V LoadInt8(sbyte* from);

    /// <summary>16-bit integers, their sign extended, as the bits of each lane.</summary>
    static abstract V LoadInt16(short* from);

    /// <summary>The low 16 bits of each lane.</summary>
    static abstract void StoreInt16(short* to, V bits);

    /// <summary>The sum of the lanes, halves first: the same on every machine of this width.</summary>
    static abstract float Sum(V a);

    /// <summary>The largest lane.</summary>
    static abstract float MaxLane(V a);

    /// <summary>The bits 1, 2, 4, ... of the lanes.</summary>
    static abstract V LaneBits { get; }
}

/// <summary>Vectors that hold pairs of neighbours.</summary>
/// <typeparam name="V">The vector.</typeparam>
internal unsafe interface ISimdPairs<V> : ISimd<V>
    where V : unmanaged
{
    /// <summary>The sign bit in lanes 0, 2, 4, ...; added as bits it negates them.</summary>
    static abstract V EvenSigns { get; }

    /// <summary>Lanes 1, 0, 3, 2, ...</summary>
    static abstract V SwapPairs(V a);

    /// <summary>Width / 2 floats, each twice.</summary>
    static abstract V LoadTwice(float* from);
}
