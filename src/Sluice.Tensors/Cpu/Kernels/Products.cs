using System.Runtime.CompilerServices;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// How products of integers are summed over a part of a group. Each method is one expression: where an inlined one returns in several
/// places, the compiler stores every vector that it returns.
/// </summary>
internal unsafe interface IProduct<TLanes, TInt, TFloat>
    where TLanes : struct, ILanes<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    /// <summary>Where the sum begins, given what <see cref="Kernels"/> says that it begins with.</summary>
    static virtual TInt Begin(int start) => TLanes.Broadcast(start);

    /// <summary>Adds the products of 4 columns.</summary>
    static abstract TInt Add(TInt sum, TInt codes, TInt offset, int* activations);

    /// <summary>The sum, from the start on.</summary>
    static virtual TInt End(TInt sum, int start) => sum;
}

/// <summary>The instruction set's own dot product.</summary>
internal readonly unsafe struct Dots<TLanes, TInt, TFloat> : IProduct<TLanes, TInt, TFloat>
    where TLanes : struct, ILanes<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt Add(TInt sum, TInt codes, TInt offset, int* activations) => TLanes.Dot(sum, codes, activations);
}

/// <summary>The same of codes below 128.</summary>
internal readonly unsafe struct NarrowDots<TLanes, TInt, TFloat> : IProduct<TLanes, TInt, TFloat>
    where TLanes : struct, ILanes<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt Add(TInt sum, TInt codes, TInt offset, int* activations) => TLanes.DotNarrow(sum, codes, activations);
}

/// <summary>Pairs of products of 4-bit codes, summed in 16 bits, since 16 of them fit (16 * 127 * 15 &lt; 2^15), and widened at the end.</summary>
internal readonly unsafe struct PairSums<TLanes, TInt, TFloat> : IProduct<TLanes, TInt, TFloat>
    where TLanes : struct, ILanes<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    public static TInt Begin(int start) => TLanes.Broadcast(0);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt Add(TInt sum, TInt codes, TInt offset, int* activations) => TLanes.AddPairs(sum, TLanes.Pairs(codes, activations));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt End(TInt sum, int start) => TLanes.SumPairs(TLanes.Broadcast(start), sum);
}

/// <summary>Pairs of products of integers, the codes less their offset, which therefore no start takes off.</summary>
internal readonly unsafe struct SignedPairs<TLanes, TInt, TFloat> : IProduct<TLanes, TInt, TFloat>
    where TLanes : struct, ILanes<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    public static TInt Begin(int start) => TLanes.Broadcast(Kernels.Magic);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TInt Add(TInt sum, TInt codes, TInt offset, int* activations) =>
        TLanes.SumPairs(sum, TLanes.SignedPairs(codes, offset, activations));
}
