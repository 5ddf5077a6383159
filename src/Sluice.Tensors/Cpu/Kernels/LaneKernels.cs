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
        OfTokens<Tokens.One>(),
        OfTokens<Tokens.Two>(),
        OfTokens<Tokens.Three>(),
        OfTokens<Tokens.Four>(),
        OfTokens<Tokens.Five>(),
        OfTokens<Tokens.Six>(),
        OfTokens<Tokens.Seven>(),
        OfTokens<Tokens.Eight>(),
    ];

    public override string Name => name;

    public override void Integers(
        in IntegerKind kind, int tokens, byte* codes, float* scales, sbyte* activations, float* notes, float* sums, nint groups)
    {
        ((delegate*<byte*, float*, sbyte*, float*, float*, nint, void>)IntegerKernels[Kinds.Index(kind, kind.IsNarrow)][tokens - 1])(
            codes, scales, activations, notes, sums, groups);
    }

    public override void Floats(int tokens, float* values, float* activations, float* sums, nint columns) =>
        ((delegate*<float*, float*, float*, nint, void>)FloatKernels[tokens - 1])(values, activations, sums, columns);

    public override long IntegerPeak(int rounds) => LanePeak<TLanes, TInt, TFloat>.Integers(rounds);

    public override long FloatPeak(int rounds) => LanePeak<TLanes, TInt, TFloat>.Floats(rounds);

    // In the order of Kinds.Index.
    private static nint[][] OfScale<TWide>()
        where TWide : struct, IFlag =>
    [
        .. OfParts<Tokens.One, TWide>(),
        .. OfParts<Tokens.Two, TWide>(),
    ];

    private static nint[][] OfParts<TParts, TWide>()
        where TParts : struct, ITokens
        where TWide : struct, IFlag =>
    [
        OfKind<Kinds.Of<TParts, No, No, TWide>>(),
        OfKind<Kinds.Of<TParts, No, Yes, TWide>>(),
        OfKind<Kinds.Of<TParts, Yes, No, TWide>>(),
        OfKind<Kinds.Of<TParts, Yes, Yes, TWide>>(),
    ];

    private static nint[] OfKind<TKind>()
        where TKind : struct, IKind =>
    [
        Integer<Tokens.One, TKind>(),
        Integer<Tokens.Two, TKind>(),
        Integer<Tokens.Three, TKind>(),
        Integer<Tokens.Four, TKind>(),
        Integer<Tokens.Five, TKind>(),
        Integer<Tokens.Six, TKind>(),
        Integer<Tokens.Seven, TKind>(),
        Integer<Tokens.Eight, TKind>(),
    ];

    private static nint Integer<TTokens, TKind>()
        where TTokens : struct, ITokens
        where TKind : struct, IKind =>
        (nint)(delegate*<byte*, float*, sbyte*, float*, float*, nint, void>)&TileKernels<TLanes, TInt, TFloat>.Integers<TTokens, TKind>;

    private static nint OfTokens<TTokens>()
        where TTokens : struct, ITokens =>
        (nint)(delegate*<float*, float*, float*, nint, void>)&TileKernels<TLanes, TInt, TFloat>.Floats<TTokens>;
}
