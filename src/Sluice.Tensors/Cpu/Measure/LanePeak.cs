using System.Runtime.CompilerServices;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Products in registers alone, over <see cref="ILanes{TInt, TFloat}"/>: ten independent sums, as many as hide the latency of
/// an instruction and yet leave room for the operands in 16 registers.
/// </summary>
internal static unsafe class LanePeak<TLanes, TInt, TFloat>
    where TLanes : struct, ILanes<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    private const int Sums = 10, BytesInLane = 4;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static long Integers(int rounds)
    {
        int ones = 0x01010101;
        TInt a = TLanes.Broadcast(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
        for (int round = 0; round < rounds; round++)
        {
            a = Add(a, &ones);
            b = Add(b, &ones);
            c = Add(c, &ones);
            d = Add(d, &ones);
            e = Add(e, &ones);
            f = Add(f, &ones);
            g = Add(g, &ones);
            h = Add(h, &ones);
            i = Add(i, &ones);
            j = Add(j, &ones);
        }
        Use(a, b, c, d, e, f, g, h, i, j);
        return (long)rounds * Sums * TLanes.Count * BytesInLane;
    }

    // Each sum is its own codes too, or else the compiler would find ten times the same product.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TInt Add(TInt sum, int* activations) =>
        TLanes.HasPairs ? TLanes.AddPairs(sum, TLanes.Pairs(sum, activations)) : TLanes.DotNarrow(sum, sum, activations);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static long Floats(int rounds)
    {
        TFloat x = TLanes.Broadcast(0.5f), y = x;
        TFloat a = TLanes.Broadcast(0f), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
        for (int round = 0; round < rounds; round++)
        {
            a = TLanes.MultiplyAdd(x, y, a);
            b = TLanes.MultiplyAdd(x, y, b);
            c = TLanes.MultiplyAdd(x, y, c);
            d = TLanes.MultiplyAdd(x, y, d);
            e = TLanes.MultiplyAdd(x, y, e);
            f = TLanes.MultiplyAdd(x, y, f);
            g = TLanes.MultiplyAdd(x, y, g);
            h = TLanes.MultiplyAdd(x, y, h);
            i = TLanes.MultiplyAdd(x, y, i);
            j = TLanes.MultiplyAdd(x, y, j);
        }
        Use(a, b, c, d, e, f, g, h, i, j);
        return (long)rounds * Sums * TLanes.Count;
    }

    // What is not used is not computed either. One call takes all: sums that outlived it would be spilled in the loop too.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Use<T>(T a, T b, T c, T d, T e, T f, T g, T h, T i, T j)
    {
    }
}
