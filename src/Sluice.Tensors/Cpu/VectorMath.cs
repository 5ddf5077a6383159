using System.Runtime.CompilerServices;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Functions of vectors, each within about 2 units in the last place of float32. The polynomials are least-maximum fits made
/// for these ranges.
/// </summary>
internal static class VectorMath
{
    private const float Smallest = -87.336f; // exp of less is below the normal floats and becomes 0
    private const float Largest = 88.722f; // exp of more is beyond the floats; it stays at theirs

    /// <summary>exp(x): 0 below -87.3, at most 3.4e38; exactly 1 at 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp<S, V>(V x)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        // x = n ln 2 + r with |r| <= ln 2 / 2. Adding 1.5 * 2^23 rounds to an integer and leaves n in the lowest bits.
        V inside = S.Min(S.Create(Largest), x);
        V magic = S.Create(12582912f);
        V shifted = S.MultiplyAdd(inside, S.Create(1.44269504f), magic);
        V n = S.Subtract(shifted, magic);
        V r = S.MultiplyAdd(n, S.Create(-0.693145752f), inside);
        r = S.MultiplyAdd(n, S.Create(-1.42860677e-6f), r);
        V p = S.MultiplyAdd(S.Create(0.001381460448f), r, S.Create(0.008368710655f));
        p = S.MultiplyAdd(p, r, S.Create(0.04166838754f));
        p = S.MultiplyAdd(p, r, S.Create(0.1666652068f));
        p = S.MultiplyAdd(p, r, S.Create(0.4999999345f));
        p = S.MultiplyAdd(S.Multiply(p, r), r, S.Add(r, S.Create(1)));
        V power = S.AddBits(p, S.ShiftLeft(shifted, 23)); // times 2^n
        return S.Select(S.LessThan(inside, S.Create(Smallest)), S.Create(0), power);
    }

    /// <summary>x / (1 + exp(minusY)), that is x * sigmoid(y).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V TimesSigmoid<S, V>(V x, V minusY)
        where S : struct, ISimd<V>
        where V : unmanaged =>
        S.Divide(x, S.Add(S.Create(1), Exp<S, V>(minusY)));

    /// <summary>tanh(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Tanh<S, V>(V x)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        V sign = S.And(x, S.CreateBits(0x8000_0000));
        V size = S.And(x, S.CreateBits(0x7FFF_FFFF));
        V e = Exp<S, V>(S.Multiply(size, S.Create(-2)));
        V large = S.Divide(S.Subtract(S.Create(1), e), S.Add(S.Create(1), e));
        // Near 0 that subtraction would cancel: x + x^3 p(x^2).
        V square = S.Multiply(size, size);
        V p = S.MultiplyAdd(S.Create(-0.005717011013f), square, S.Create(0.020650554f));
        p = S.MultiplyAdd(p, square, S.Create(-0.05374348673f));
        p = S.MultiplyAdd(p, square, S.Create(0.1333149113f));
        p = S.MultiplyAdd(p, square, S.Create(-0.3333328392f));
        V small = S.MultiplyAdd(S.Multiply(p, square), size, size);
        return S.Or(S.Select(S.LessThan(size, S.Create(0.625f)), small, large), sign);
    }

    /// <summary>log(1 + exp(x)).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Softplus<S, V>(V x)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        // max(x, 0) + log(1 + e) with e = exp(-|x|) in 0..1, and log(1 + e) = 2 artanh(s) with s = e / (2 + e) in 0..1/3.
        V e = Exp<S, V>(S.Or(x, S.CreateBits(0x8000_0000)));
        V s = S.Divide(e, S.Add(e, S.Create(2)));
        V square = S.Multiply(s, s);
        V p = S.MultiplyAdd(S.Create(0.1215047596f), square, S.Create(0.1071382624f));
        p = S.MultiplyAdd(p, square, S.Create(0.143084427f));
        p = S.MultiplyAdd(p, square, S.Create(0.1999943886f));
        p = S.MultiplyAdd(p, square, S.Create(0.3333333781f));
        V log = S.MultiplyAdd(S.Multiply(p, square), s, s);
        return S.Add(S.Max(S.Create(0), x), S.Add(log, log));
    }
}
