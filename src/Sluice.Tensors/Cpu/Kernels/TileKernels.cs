using System.Runtime.CompilerServices;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// The kernels' one definition over an instruction set's <see cref="ILanes{TInt, TFloat}"/>: a panel of 16 rows times a tile of up
/// to 8 tokens, whose sums stay in registers (hence the written-out lines). The order of every sum is fixed by the columns
/// alone, so that a token's result depends neither on its tile nor on the instruction set. Compiled to the full at
/// once: the first tokens of a run would otherwise see unoptimized loops.
/// </summary>
internal static unsafe class TileKernels<TLanes, TInt, TFloat>
    where TLanes : struct, ILanes<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    /// <summary>Adds the products of groups of 32 columns to the tile's sums, as <see cref="Kernels"/> says.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Integers<TTokens, TKind, TProduct>(byte* codes, float* scales, sbyte* activations, float* notes, float* sums, nint groups, int offset)
        where TTokens : struct, INumber
        where TKind : struct, IKind
        where TProduct : struct, IProduct<TLanes, TInt, TFloat>
    {
        float* wide = stackalloc float[TKind.HasWideScale ? Panels.Height * TTokens.Value : 0]; // results of groups that share a scale
        for (nint group = 1; group <= groups; group++)
        {
            bool isLast = group % IntegerPanels.WideGroups == 0;
            if (TKind.HasWideScale && group % IntegerPanels.WideGroups == 1)
                new Span<float>(wide, Panels.Height * TTokens.Value).Clear();
            for (int row = 0; row < Panels.Height; row += TLanes.Count)
            {
                Group<TTokens, TKind, TProduct>(codes + 4 * row, scales + row, activations, notes, offset, TKind.HasWideScale ? wide + row : sums + row);
                for (int t = 0; TKind.HasWideScale && isLast && t < TTokens.Value; t++)
                    Add(TLanes.Load(wide + t * Panels.Height + row), notes[t], sums + t * Panels.Height + row);
            }
            codes += IntegerPanels.GroupCodes;
            scales += Panels.Height * TKind.Parts * (TKind.HasMin ? 2 : 1);
            activations += IntegerPanels.Group * TTokens.Value;
            notes += TTokens.Value * (1 + TKind.Parts * (TKind.HasMin ? 2 : 1));
        }
    }

    /// <summary>Adds the products of columns to the tile's sums, one column after the other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Floats<TTokens>(float* values, float* activations, float* sums, nint columns)
        where TTokens : struct, INumber
    {
        for (int row = 0; row < Panels.Height; row += TLanes.Count)
            FloatRows<TTokens>(values + row, activations, sums + row, columns);
    }

    /// <summary>One group, whose result joins the sums; with a wide scale these are the results of the groups that share it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Group<TTokens, TKind, TProduct>(byte* codes, float* scales, sbyte* activations, float* notes, int offset, float* sums)
        where TTokens : struct, INumber
        where TKind : struct, IKind
        where TProduct : struct, IProduct<TLanes, TInt, TFloat>
    {
        int tokens = TTokens.Value;
        TInt offsets = TLanes.Broadcast(offset * 0x01010101);
        int* a = (int*)activations;
        int* starts = (int*)notes + tokens;
        TFloat f0 = default, f1 = default, f2 = default, f3 = default, f4 = default, f5 = default, f6 = default, f7 = default;
        for (int part = 0; part < TKind.Parts; part++)
        {
            TInt i0 = TProduct.Begin(starts[0]), i1 = tokens > 1 ? TProduct.Begin(starts[1]) : default,
                i2 = tokens > 2 ? TProduct.Begin(starts[2]) : default, i3 = tokens > 3 ? TProduct.Begin(starts[3]) : default,
                i4 = tokens > 4 ? TProduct.Begin(starts[4]) : default, i5 = tokens > 5 ? TProduct.Begin(starts[5]) : default,
                i6 = tokens > 6 ? TProduct.Begin(starts[6]) : default, i7 = tokens > 7 ? TProduct.Begin(starts[7]) : default;
            for (int quad = 0; quad < 8 / TKind.Parts; quad++)
            {
                TInt c = TLanes.LoadCodes(codes);
                i0 = TProduct.Add(i0, c, offsets, a + 0);
                if (tokens > 1)
                    i1 = TProduct.Add(i1, c, offsets, a + 1);
                if (tokens > 2)
                    i2 = TProduct.Add(i2, c, offsets, a + 2);
                if (tokens > 3)
                    i3 = TProduct.Add(i3, c, offsets, a + 3);
                if (tokens > 4)
                    i4 = TProduct.Add(i4, c, offsets, a + 4);
                if (tokens > 5)
                    i5 = TProduct.Add(i5, c, offsets, a + 5);
                if (tokens > 6)
                    i6 = TProduct.Add(i6, c, offsets, a + 6);
                if (tokens > 7)
                    i7 = TProduct.Add(i7, c, offsets, a + 7);
                codes += 4 * Panels.Height;
                a += tokens;
            }
            i0 = TProduct.End(i0, starts[0]);
            if (tokens > 1)
                i1 = TProduct.End(i1, starts[1]);
            if (tokens > 2)
                i2 = TProduct.End(i2, starts[2]);
            if (tokens > 3)
                i3 = TProduct.End(i3, starts[3]);
            if (tokens > 4)
                i4 = TProduct.End(i4, starts[4]);
            if (tokens > 5)
                i5 = TProduct.End(i5, starts[5]);
            if (tokens > 6)
                i6 = TProduct.End(i6, starts[6]);
            if (tokens > 7)
                i7 = TProduct.End(i7, starts[7]);
            TFloat scale = TLanes.Load(scales);
            if (part == 0)
            {
                f0 = Scale<TKind>(i0, scale, sums + 0 * Panels.Height);
                if (tokens > 1)
                    f1 = Scale<TKind>(i1, scale, sums + 1 * Panels.Height);
                if (tokens > 2)
                    f2 = Scale<TKind>(i2, scale, sums + 2 * Panels.Height);
                if (tokens > 3)
                    f3 = Scale<TKind>(i3, scale, sums + 3 * Panels.Height);
                if (tokens > 4)
                    f4 = Scale<TKind>(i4, scale, sums + 4 * Panels.Height);
                if (tokens > 5)
                    f5 = Scale<TKind>(i5, scale, sums + 5 * Panels.Height);
                if (tokens > 6)
                    f6 = Scale<TKind>(i6, scale, sums + 6 * Panels.Height);
                if (tokens > 7)
                    f7 = Scale<TKind>(i7, scale, sums + 7 * Panels.Height);
            }
            else
            {
                f0 = TLanes.MultiplyAdd(ToSingle(i0), scale, f0);
                if (tokens > 1)
                    f1 = TLanes.MultiplyAdd(ToSingle(i1), scale, f1);
                if (tokens > 2)
                    f2 = TLanes.MultiplyAdd(ToSingle(i2), scale, f2);
                if (tokens > 3)
                    f3 = TLanes.MultiplyAdd(ToSingle(i3), scale, f3);
                if (tokens > 4)
                    f4 = TLanes.MultiplyAdd(ToSingle(i4), scale, f4);
                if (tokens > 5)
                    f5 = TLanes.MultiplyAdd(ToSingle(i5), scale, f5);
                if (tokens > 6)
                    f6 = TLanes.MultiplyAdd(ToSingle(i6), scale, f6);
                if (tokens > 7)
                    f7 = TLanes.MultiplyAdd(ToSingle(i7), scale, f7);
            }
            scales += Panels.Height;
            starts += tokens;
        }
        if (TKind.HasMin)
        {
            float* s = (float*)starts;
            for (int part = 0; part < TKind.Parts; part++)
            {
                TFloat min = TLanes.Load(scales);
                f0 = TLanes.MultiplyAdd(min, TLanes.Broadcast(s[0]), f0);
                if (tokens > 1)
                    f1 = TLanes.MultiplyAdd(min, TLanes.Broadcast(s[1]), f1);
                if (tokens > 2)
                    f2 = TLanes.MultiplyAdd(min, TLanes.Broadcast(s[2]), f2);
                if (tokens > 3)
                    f3 = TLanes.MultiplyAdd(min, TLanes.Broadcast(s[3]), f3);
                if (tokens > 4)
                    f4 = TLanes.MultiplyAdd(min, TLanes.Broadcast(s[4]), f4);
                if (tokens > 5)
                    f5 = TLanes.MultiplyAdd(min, TLanes.Broadcast(s[5]), f5);
                if (tokens > 6)
                    f6 = TLanes.MultiplyAdd(min, TLanes.Broadcast(s[6]), f6);
                if (tokens > 7)
                    f7 = TLanes.MultiplyAdd(min, TLanes.Broadcast(s[7]), f7);
                scales += Panels.Height;
                s += tokens;
            }
        }
        Finish<TKind>(f0, notes[0], sums + 0 * Panels.Height);
        if (tokens > 1)
            Finish<TKind>(f1, notes[1], sums + 1 * Panels.Height);
        if (tokens > 2)
            Finish<TKind>(f2, notes[2], sums + 2 * Panels.Height);
        if (tokens > 3)
            Finish<TKind>(f3, notes[3], sums + 3 * Panels.Height);
        if (tokens > 4)
            Finish<TKind>(f4, notes[4], sums + 4 * Panels.Height);
        if (tokens > 5)
            Finish<TKind>(f5, notes[5], sums + 5 * Panels.Height);
        if (tokens > 6)
            Finish<TKind>(f6, notes[6], sums + 6 * Panels.Height);
        if (tokens > 7)
            Finish<TKind>(f7, notes[7], sums + 7 * Panels.Height);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FloatRows<TTokens>(float* values, float* activations, float* sums, nint columns)
        where TTokens : struct, INumber
    {
        int tokens = TTokens.Value;
        TFloat f0 = TLanes.Load(sums), f1 = tokens > 1 ? TLanes.Load(sums + 1 * Panels.Height) : default,
            f2 = tokens > 2 ? TLanes.Load(sums + 2 * Panels.Height) : default, f3 = tokens > 3 ? TLanes.Load(sums + 3 * Panels.Height) : default,
            f4 = tokens > 4 ? TLanes.Load(sums + 4 * Panels.Height) : default, f5 = tokens > 5 ? TLanes.Load(sums + 5 * Panels.Height) : default,
            f6 = tokens > 6 ? TLanes.Load(sums + 6 * Panels.Height) : default, f7 = tokens > 7 ? TLanes.Load(sums + 7 * Panels.Height) : default;
        for (; columns > 0; columns--)
        {
            TFloat w = TLanes.Load(values);
            f0 = TLanes.MultiplyAdd(w, TLanes.Broadcast(activations[0]), f0);
            if (tokens > 1)
                f1 = TLanes.MultiplyAdd(w, TLanes.Broadcast(activations[1]), f1);
            if (tokens > 2)
                f2 = TLanes.MultiplyAdd(w, TLanes.Broadcast(activations[2]), f2);
            if (tokens > 3)
                f3 = TLanes.MultiplyAdd(w, TLanes.Broadcast(activations[3]), f3);
            if (tokens > 4)
                f4 = TLanes.MultiplyAdd(w, TLanes.Broadcast(activations[4]), f4);
            if (tokens > 5)
                f5 = TLanes.MultiplyAdd(w, TLanes.Broadcast(activations[5]), f5);
            if (tokens > 6)
                f6 = TLanes.MultiplyAdd(w, TLanes.Broadcast(activations[6]), f6);
            if (tokens > 7)
                f7 = TLanes.MultiplyAdd(w, TLanes.Broadcast(activations[7]), f7);
            values += Panels.Height;
            activations += tokens;
        }
        TLanes.Store(f0, sums + 0 * Panels.Height);
        if (tokens > 1)
            TLanes.Store(f1, sums + 1 * Panels.Height);
        if (tokens > 2)
            TLanes.Store(f2, sums + 2 * Panels.Height);
        if (tokens > 3)
            TLanes.Store(f3, sums + 3 * Panels.Height);
        if (tokens > 4)
            TLanes.Store(f4, sums + 4 * Panels.Height);
        if (tokens > 5)
            TLanes.Store(f5, sums + 5 * Panels.Height);
        if (tokens > 6)
            TLanes.Store(f6, sums + 6 * Panels.Height);
        if (tokens > 7)
            TLanes.Store(f7, sums + 7 * Panels.Height);
    }

    // See Kernels.Magic.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TFloat ToSingle(TInt sum) =>
        TLanes.Subtract(TLanes.BitsToSingle(sum), TLanes.Broadcast(BitConverter.Int32BitsToSingle(Kernels.Magic)));

    // The first products of a group: they begin its result, or join that of the groups before.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TFloat Scale<TKind>(TInt products, TFloat scale, float* sums)
        where TKind : struct, IKind => TKind.HasWideScale
        ? TLanes.MultiplyAdd(ToSingle(products), scale, TLanes.Load(sums))
        : TLanes.Multiply(ToSingle(products), scale);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<TKind>(TFloat group, float scale, float* sums)
        where TKind : struct, IKind
    {
        if (TKind.HasWideScale)
            TLanes.Store(group, sums);
        else
            Add(group, scale, sums);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(TFloat group, float scale, float* sums) =>
        TLanes.Store(TLanes.MultiplyAdd(group, TLanes.Broadcast(scale), TLanes.Load(sums)), sums);
}
