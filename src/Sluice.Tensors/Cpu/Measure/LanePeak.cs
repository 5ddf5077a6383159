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
        // Each sum is its own codes too, or else the compiler would find ten times the same product.
        const int Activations = 0x01010101;
        TInt a = TLanes.Broadcast(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a;
        for (int round = 0; round < rounds; round++)
        {
            a = TLanes.DotNarrow(a, a, Activations);
            b = TLanes.DotNarrow(b, b, Activations);
            c = TLanes.DotNarrow(c, c, Activations);
            d = TLanes.DotNarrow(d, d, Activations);
            e = TLanes.DotNarrow(e, e, Activations);
            f = TLanes.DotNarrow(f, f, Activations);
            g = TLanes.DotNarrow(g, g, Activations);
            h = TLanes.DotNarrow(h, h, Activations);
            i = TLanes.DotNarrow(i, i, Activations);
            j = TLanes.DotNarrow(j, j, Activations);
        }
        Use(a, b, c, d, e, f, g, h, i, j);
        return (long)rounds * Sums * TLanes.Count * BytesInLane;
    }

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
