namespace Sluice.Tensors.Formats;

/// <summary>
/// A format whose weights come 8 (or 4) at a time, as points of a code book: blocks of 256, in groups with a 4-bit scale.
/// <c>value = d * unit * (2 scale + 1) * ±point</c>, where the unit is a power of two, so that a group's scale is exact.
/// A format's file says only where a block keeps its numbers.
/// </summary>
internal abstract class PointFormat(
    TensorType type, int blockBytes, int groupSize, int lowest, int highest, float unit, SignRule signs, int shiftedWeights = 0)
    : IntegerFormat(type, blockSize: Weights, blockBytes, groupSize, lowest, highest)
{
    /// <summary>Weights of a block.</summary>
    public const int Weights = 256;

    /// <summary>Weights of a block that share a byte of signs.</summary>
    public const int SignedWeights = 8;

    private byte[]? _codes;

    /// <summary>The code book.</summary>
    public abstract CodeBook Points { get; }

    /// <summary>What d is multiplied by.</summary>
    public float Unit => unit;

    /// <summary>Which signs weights have besides their point.</summary>
    public SignRule Signs => signs;

    /// <summary>Whether they have any.</summary>
    public bool HasSigns => signs != SignRule.None;

    /// <summary>Weights that are shifted up or down together; 0 where points are not shifted.</summary>
    public int ShiftedWeights => shiftedWeights;

    /// <summary>The largest scale: 4 bits, or 3 where points are shifted.</summary>
    public int HighestScale => shiftedWeights == 0 ? 15 : 7;

    /// <summary>Points of a block.</summary>
    public int PointCount => Weights / Points.Width;

    /// <summary>Groups of a block.</summary>
    public int GroupCount => Weights / GroupSize;

    /// <summary>The code book as unsigned bytes, every weight less <see cref="IntegerFormat.Lowest"/>. The array does not move.</summary>
    public byte[] Codes => _codes ??= MakeCodes();

    /// <summary>Takes a block apart.</summary>
    /// <param name="block">A block.</param>
    /// <param name="indices">The index of every point, written.</param>
    /// <param name="signs">A byte for every 8 weights, written: bit j is set where weight j is negative. Empty if there are none.</param>
    /// <param name="scales">The scale of every group, 0 to 15, written.</param>
    /// <returns>d.</returns>
    public abstract float Read(ReadOnlySpan<byte> block, Span<ushort> indices, Span<byte> signs, Span<byte> scales);

    /// <summary>Puts a block together: the inverse of <see cref="Read"/>, but for d, which comes as the 2 bytes of a half.</summary>
    public abstract void Write(
        Span<byte> block, ReadOnlySpan<byte> d, ReadOnlySpan<ushort> indices, ReadOnlySpan<byte> signs, ReadOnlySpan<byte> scales);

    /// <inheritdoc/>
    public sealed override bool CanQuantize => true;

    /// <summary>The code book before its shift, in which a quantizer looks for points.</summary>
    public virtual CodeBook SearchedPoints => Points;

    private protected sealed override void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block) =>
        PointQuantizer.Quantize(this, values, importance, meanSquare, block);

    private protected sealed override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        Span<ushort> indices = stackalloc ushort[PointCount];
        Span<byte> signs = stackalloc byte[HasSigns ? Weights / SignedWeights : 0];
        Span<byte> numbers = stackalloc byte[GroupCount];
        float d = Read(block, indices, signs, numbers) * unit;
        for (int g = 0; g < numbers.Length; g++)
            scales[g] = d * (2 * numbers[g] + 1);
        for (int i = 0; i < indices.Length; i++)
            Points.Copy(indices[i], quants[(i * Points.Width)..]);
        for (int i = 0; i < signs.Length; i++)
            CodeBook.Negate(signs[i], quants.Slice(i * SignedWeights, SignedWeights));
    }

    private byte[] MakeCodes()
    {
        ReadOnlySpan<sbyte> points = Points.Points;
        byte[] bytes = GC.AllocateUninitializedArray<byte>(points.Length, pinned: true);
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)(points[i] - Lowest);
        return bytes;
    }
}

/// <summary>Which signs the weights of a <see cref="PointFormat"/> have besides their point.</summary>
internal enum SignRule
{
    /// <summary>None: points are signed themselves.</summary>
    None,

    /// <summary>One for each weight.</summary>
    Free,

    /// <summary>One for each weight, an even number of 8 below 0, so that 7 bits hold them.</summary>
    Even,
}
