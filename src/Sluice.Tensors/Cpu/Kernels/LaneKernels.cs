namespace Sluice.Tensors.Cpu;

/// <summary>The kernels over <see cref="ILanes{TInt, TFloat}"/>, by number of tokens and kind.</summary>
internal sealed unsafe class LaneKernels<TLanes, TInt, TFloat>(string name) : Kernels
    where TLanes : struct, ILanes<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    // By kind, then by tokens. Pointers to functions are no type argument, so they are kept as numbers.
    private static readonly nint[][] IntegerKernels =
    [
        .. OfScale<No>(),
        .. OfScale<Yes>(),
    ];

    private static readonly nint[] FloatKernels =
    [
        OfTokens<Numbers.One>(),
        OfTokens<Numbers.Two>(),
        OfTokens<Numbers.Three>(),
        OfTokens<Numbers.Four>(),
        OfTokens<Numbers.Five>(),
        OfTokens<Numbers.Six>(),
        OfTokens<Numbers.Seven>(),
        OfTokens<Numbers.Eight>(),
    ];

    public override string Name => name;

    public override void Integers(
        in IntegerKind kind, int tokens, byte* codes, float* scales, sbyte* activations, float* notes, float* sums, nint groups)
    {
        int bits = kind.Bits switch { 4 => 0, 7 => 1, _ => 2 };
        ((delegate*<byte*, float*, sbyte*, float*, float*, nint, int, void>)IntegerKernels[Kinds.Index(kind) * 3 + bits][tokens - 1])(
            codes, scales, activations, notes, sums, groups, kind.Offset);
    }

    public override void Floats(int tokens, float* values, float* activations, float* sums, nint columns) =>
        ((delegate*<float*, float*, float*, nint, void>)FloatKernels[tokens - 1])(values, activations, sums, columns);

    public override long IntegerPeak(int rounds) => LanePeak<TLanes, TInt, TFloat>.Integers(rounds);

    public override long FloatPeak(int rounds) => LanePeak<TLanes, TInt, TFloat>.Floats(rounds);

    // In the order of Kinds.Index, and for each kind by bits.
    private static nint[][] OfScale<TWide>()
        where TWide : struct, IFlag =>
    [
        .. OfParts<Numbers.One, TWide>(),
        .. OfParts<Numbers.Two, TWide>(),
    ];

    private static nint[][] OfParts<TParts, TWide>()
        where TParts : struct, INumber
        where TWide : struct, IFlag =>
    [
        .. OfBits<TParts, No, TWide>(),
        .. OfBits<TParts, Yes, TWide>(),
    ];

    // By bits: 4, 7, 8.
    private static nint[][] OfBits<TParts, TMin, TWide>()
        where TParts : struct, INumber
        where TMin : struct, IFlag
        where TWide : struct, IFlag => TLanes.HasPairs
    ?
    [
        OfKind<Kinds.Of<TParts, TMin, TWide>, PairSums<TLanes, TInt, TFloat>>(),
        OfKind<Kinds.Of<TParts, TMin, TWide>, NarrowDots<TLanes, TInt, TFloat>>(),
        OfKind<Kinds.Of<TParts, TMin, TWide>, SignedPairs<TLanes, TInt, TFloat>>(),
    ]
    :
    [
        OfKind<Kinds.Of<TParts, TMin, TWide>, NarrowDots<TLanes, TInt, TFloat>>(),
        OfKind<Kinds.Of<TParts, TMin, TWide>, NarrowDots<TLanes, TInt, TFloat>>(),
        OfKind<Kinds.Of<TParts, TMin, TWide>, Dots<TLanes, TInt, TFloat>>(),
    ];

    private static nint[] OfKind<TKind, TProduct>()
        where TKind : struct, IKind
        where TProduct : struct, IProduct<TLanes, TInt, TFloat> =>
    [
        Integer<Numbers.One, TKind, TProduct>(),
        Integer<Numbers.Two, TKind, TProduct>(),
        Integer<Numbers.Three, TKind, TProduct>(),
        Integer<Numbers.Four, TKind, TProduct>(),
        Integer<Numbers.Five, TKind, TProduct>(),
        Integer<Numbers.Six, TKind, TProduct>(),
        Integer<Numbers.Seven, TKind, TProduct>(),
        Integer<Numbers.Eight, TKind, TProduct>(),
    ];

    private static nint Integer<TTokens, TKind, TProduct>()
        where TTokens : struct, INumber
        where TKind : struct, IKind
        where TProduct : struct, IProduct<TLanes, TInt, TFloat> =>
        (nint)(delegate*<byte*, float*, sbyte*, float*, float*, nint, int, void>)&TileKernels<TLanes, TInt, TFloat>.Integers<TTokens, TKind, TProduct>;

    private static nint OfTokens<TTokens>()
        where TTokens : struct, INumber =>
        (nint)(delegate*<float*, float*, float*, nint, void>)&TileKernels<TLanes, TInt, TFloat>.Floats<TTokens>;
}
