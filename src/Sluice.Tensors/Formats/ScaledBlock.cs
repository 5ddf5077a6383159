namespace Sluice.Tensors.Formats;

/// <summary>
/// A block to be searched: its values times a power of two that takes the largest to [1, 2), so that no square in a search overflows
/// or vanishes, and what each one's squared error counts.
/// </summary>
internal readonly ref struct ScaledBlock
{
    private readonly float _unit;

    /// <summary>Scales a block.</summary>
    /// <param name="values">The values.</param>
    /// <param name="importance">As many importances, or none: all the same.</param>
    /// <param name="memory">Twice as many floats, for the block's use.</param>
    public ScaledBlock(scoped ReadOnlySpan<float> values, scoped ReadOnlySpan<float> importance, Span<float> memory)
    {
        Span<float> scaled = memory[..values.Length], weights = memory.Slice(values.Length, values.Length);
        _unit = PowerOfTwo(values);
        float inverse = 1 / _unit;
        for (int i = 0; i < scaled.Length; i++)
            scaled[i] = values[i] * inverse;
        weights.Fill(1);
        if (!importance.IsEmpty)
        {
            inverse = 1 / PowerOfTwo(importance);
            for (int i = 0; i < weights.Length; i++)
                weights[i] = importance[i] * inverse;
        }
        Values = scaled;
        Weights = weights;
    }

    /// <summary>The values, scaled.</summary>
    public ReadOnlySpan<float> Values { get; }

    /// <summary>Their weights.</summary>
    public ReadOnlySpan<float> Weights { get; }

    /// <summary>Writes a scale (of scaled values) as a half for the true ones, and gives what was stored, scaled again.</summary>
    public float WriteHalf(float scale, Span<byte> block, int at) => Fields.WriteHalf(scale * _unit, block, at) / _unit;

    /// <summary>A scale (of scaled values) for the true ones.</summary>
    public float Unscale(float scale) => scale * _unit;

    // The largest power of two that is not above the largest magnitude; within what has an inverse.
    private static float PowerOfTwo(ReadOnlySpan<float> values)
    {
        float largest = 0;
        foreach (float value in values)
            largest = MathF.Max(largest, MathF.Abs(value));
        uint exponent = Math.Clamp(BitConverter.SingleToUInt32Bits(largest) >> 23, 1, 253);
        return BitConverter.UInt32BitsToSingle(exponent << 23);
    }
}
