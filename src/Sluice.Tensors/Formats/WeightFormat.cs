namespace Sluice.Tensors.Formats;

/// <summary>
/// How weights are stored: blocks of <see cref="BlockSize"/> consecutive weights of one row in <see cref="BlockBytes"/> bytes.
/// A format is one file that derives from this class, and one line in <see cref="WeightFormats"/>. The scalar members here
/// are the definition and the oracle of every faster path.
/// </summary>
public abstract class WeightFormat
{
    /// <summary>The number that GGUF gives this format.</summary>
    public abstract TensorType Type { get; }

    /// <summary>The field's name for it, as in <c>Q4_K</c>.</summary>
    public string Name => Type.ToString();

    /// <summary>Weights in a block (1 for plain floats). A row's length is a multiple of it.</summary>
    public abstract int BlockSize { get; }

    /// <summary>Bytes of a block.</summary>
    public abstract int BlockBytes { get; }

    /// <summary>Bits per weight, all scales included.</summary>
    public double BitsPerWeight => 8.0 * BlockBytes / BlockSize;

    /// <summary>Decodes whole blocks.</summary>
    /// <param name="blocks">n * <see cref="BlockBytes"/> bytes.</param>
    /// <param name="values">n * <see cref="BlockSize"/> values, written.</param>
    public abstract void Dequantize(ReadOnlySpan<byte> blocks, Span<float> values);

    /// <summary>
    /// The same blocks seen as integers with a scale (and perhaps a minimum) per group, which is what integer kernels
    /// multiply; null for plain floats.
    /// </summary>
    public virtual IntegerFormat? Integer => null;

    /// <summary>Whether <see cref="Quantize"/> is implemented.</summary>
    public virtual bool CanQuantize => false;

    /// <summary>The largest magnitude that <see cref="Quantize"/> can write; what is larger becomes infinite, or this.</summary>
    public virtual float LargestMagnitude => 65504; // of a half, as most scales are

    /// <summary>Encodes whole blocks.</summary>
    /// <param name="values">n * <see cref="BlockSize"/> values.</param>
    /// <param name="blocks">n * <see cref="BlockBytes"/> bytes, written.</param>
    /// <param name="importance">
    /// How much each value's squared error matters (an importance matrix's row, as long as <paramref name="values"/>), or empty:
    /// all the same. A block whose importance is all 0 is encoded as if there were none.
    /// </param>
    /// <exception cref="NotSupportedException">The format cannot be written (<see cref="CanQuantize"/> is false).</exception>
    public virtual void Quantize(ReadOnlySpan<float> values, Span<byte> blocks, ReadOnlySpan<float> importance = default) =>
        throw new NotSupportedException($"{Name} can be read but not written.");

    /// <summary>Checks that <paramref name="blocks"/> are whole and that <paramref name="values"/> has their length.</summary>
    /// <returns>The number of blocks.</returns>
    private protected int CountBlocks(int blocks, int values, int importance = 0)
    {
        (int count, int rest) = Math.DivRem(blocks, BlockBytes);
        if (rest != 0 || values != (long)count * BlockSize)
        {
            throw new ArgumentException(
                $"{blocks} bytes of {Name} do not hold {values} weights; a block of {BlockBytes} bytes holds {BlockSize}.");
        }
        if (importance != 0 && importance != values)
            throw new ArgumentException($"The importance of {importance} weights was given for {values}.");
        return count;
    }

    /// <summary>The bytes that <paramref name="count"/> weights take.</summary>
    /// <exception cref="ArgumentException"><paramref name="count"/> is not a whole number of blocks.</exception>
    /// <exception cref="OverflowException">The size does not fit in 63 bits.</exception>
    public long Bytes(long count)
    {
        (long blocks, long rest) = Math.DivRem(count, BlockSize);
        if (rest != 0 || count < 0)
            throw new ArgumentException($"{Name} has blocks of {BlockSize} weights; {count} is not a multiple.", nameof(count));
        return checked(blocks * BlockBytes);
    }
}
