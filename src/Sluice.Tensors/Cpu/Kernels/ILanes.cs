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
    static abstract TInt Dot(TInt sum, TInt codes, int activations);

    /// <summary>The same, for codes below 128.</summary>
    static abstract TInt DotNarrow(TInt sum, TInt codes, int activations);

    /// <summary>The same bits.</summary>
    static abstract TFloat BitsToSingle(TInt values);

    static abstract TFloat Subtract(TFloat a, TFloat b);

    static abstract TFloat Multiply(TFloat a, TFloat b);

    /// <summary>a * b + c, rounded once.</summary>
    static abstract TFloat MultiplyAdd(TFloat a, TFloat b, TFloat c);
}
