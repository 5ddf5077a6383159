namespace Sluice.Tensors.Cpu;

/// <summary>
/// One instruction set's vectors, whose lanes are rows of a panel. The kernels are written once over these few operations;
/// all of them round as IEEE 754 says, so that every instruction set gives the same bits.
/// </summary>
/// <typeparam name="TInt">A vector of 32-bit integers.</typeparam>
/// <typeparam name="TFloat">A vector of as many singles.</typeparam>
internal unsafe interface ILanes<TInt, TFloat>
    where TInt : struct
    where TFloat : struct
{
    /// <summary>Lanes, a divisor of 16.</summary>
    static abstract int Count { get; }

    static abstract TInt Broadcast(int value);

    static abstract TFloat Broadcast(float value);

    static abstract TInt LoadCodes(byte* codes);

    static abstract TFloat Load(float* values);

    static abstract void Store(TFloat values, float* target);

    /// <summary>sum + the 4 products of each lane's unsigned codes with the 4 signed bytes of <paramref name="activations"/>.</summary>
    static virtual TInt Dot(TInt sum, TInt codes, int* activations) => throw new NotSupportedException();

    /// <summary>The same, for codes below 128.</summary>
    static abstract TInt DotNarrow(TInt sum, TInt codes, int* activations);

    /// <summary>
    /// Whether the instruction set multiplies unsigned with signed bytes, and joins pairs of products in 16 bits: then the methods below are
    /// used in place of <see cref="Dot"/>.
    /// </summary>
    static virtual bool HasPairs => false;

    /// <summary>The products of codes below 128 with the activations, pairs joined: 16-bit numbers, up to 2 * 127 times the largest code.</summary>
    static virtual TInt Pairs(TInt codes, int* activations) => throw new NotSupportedException();

    /// <summary>The same of codes from 0 to 255 less an offset, whose bytes <paramref name="offset"/> has.</summary>
    static virtual TInt SignedPairs(TInt codes, TInt offset, int* activations) => throw new NotSupportedException();

    /// <summary>Adds 16-bit numbers.</summary>
    static virtual TInt AddPairs(TInt a, TInt b) => throw new NotSupportedException();

    /// <summary>sum + the two 16-bit numbers of each lane.</summary>
    static virtual TInt SumPairs(TInt sum, TInt pairs) => throw new NotSupportedException();

    /// <summary>The same bits.</summary>
    static abstract TFloat BitsToSingle(TInt values);

    static abstract TFloat Subtract(TFloat a, TFloat b);

    static abstract TFloat Multiply(TFloat a, TFloat b);

    /// <summary>a * b + c, rounded once.</summary>
    static abstract TFloat MultiplyAdd(TFloat a, TFloat b, TFloat c);
}
