using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Formats;

/// <summary>
/// A format whose weights are small integers with a float scale, and perhaps a float minimum, for every group of
/// <see cref="GroupSize"/> consecutive weights: <c>value = scale * q + min</c>. A format's file says only how one block
/// decomposes into these; <see cref="Dequantize"/> is the same for all. Formats with code books fit in too: q is then the
/// book's entry, scaled to an integer.
/// </summary>
public abstract class IntegerFormat : WeightFormat
{
    private protected IntegerFormat(
        TensorType type, int blockSize, int blockBytes, int groupSize, int lowest, int highest, bool hasMin = false)
    {
        Type = type;
        BlockSize = blockSize;
        BlockBytes = blockBytes;
        GroupSize = groupSize;
        Lowest = lowest;
        Highest = highest;
        HasMin = hasMin;
    }

    /// <inheritdoc/>
    public sealed override TensorType Type { get; }

    /// <inheritdoc/>
    public sealed override int BlockSize { get; }

    /// <inheritdoc/>
    public sealed override int BlockBytes { get; }

    /// <summary>Weights that share a scale: 16 or 32.</summary>
    public int GroupSize { get; }

    /// <summary>The smallest q that a block can hold, -128 or more.</summary>
    public int Lowest { get; }

    /// <summary>The largest q that a block can hold, 127 or less.</summary>
    public int Highest { get; }

    /// <summary>Whether groups have a minimum besides their scale.</summary>
    public bool HasMin { get; }

    /// <summary>
    /// Consecutive activations that share a scale where they meet these weights as 8-bit integers: a whole block where that has 256
    /// weights, else 32.
    /// </summary>
    public int ActivationGroup => BlockSize == 256 ? 256 : 32;

    /// <summary>Bits that an unsigned <c>q - Lowest</c> needs: 1 to 8.</summary>
    public int Bits => BitOperations.Log2((uint)(Highest - Lowest)) + 1;

    /// <inheritdoc/>
    public sealed override IntegerFormat Integer => this;

    /// <summary>Splits whole blocks into integers, scales and minimums.</summary>
    /// <param name="blocks">n * BlockBytes bytes.</param>
    /// <param name="quants">n * BlockSize integers in [<see cref="Lowest"/>, <see cref="Highest"/>], written.</param>
    /// <param name="scales">n * BlockSize / GroupSize scales, written.</param>
    /// <param name="mins">As many minimums, written; empty unless <see cref="HasMin"/>.</param>
    /// <exception cref="ArgumentException">The lengths do not go together.</exception>
    public void Decompose(ReadOnlySpan<byte> blocks, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        int count = CountBlocks(blocks.Length, quants.Length);
        int groups = BlockSize / GroupSize;
        if (scales.Length != count * groups || mins.Length != (HasMin ? scales.Length : 0))
        {
            throw new ArgumentException(
                $"{count} blocks of {Name} have {count * groups} groups, not {scales.Length} scales and {mins.Length} minimums.");
        }
        int minGroups = HasMin ? groups : 0;
        for (int i = 0; i < count; i++)
        {
            DecomposeBlock(
                blocks.Slice(i * BlockBytes, BlockBytes), quants.Slice(i * BlockSize, BlockSize),
                scales.Slice(i * groups, groups), mins.Slice(i * minGroups, minGroups));
        }
    }

    /// <inheritdoc/>
    public sealed override void Dequantize(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        int count = CountBlocks(blocks.Length, values.Length);
        int groups = BlockSize / GroupSize;
        Span<sbyte> quants = stackalloc sbyte[BlockSize];
        Span<float> scales = stackalloc float[groups];
        Span<float> mins = stackalloc float[HasMin ? groups : 0];
        for (int i = 0; i < count; i++)
        {
            DecomposeBlock(blocks.Slice(i * BlockBytes, BlockBytes), quants, scales, mins);
            Span<float> block = values.Slice(i * BlockSize, BlockSize);
            for (int g = 0; g < groups; g++)
            {
                Span<float> group = block.Slice(g * GroupSize, GroupSize);
                Multiply(quants.Slice(g * GroupSize, GroupSize), scales[g], group);
                // Not `+ 0` where there is no minimum: that would turn -0 into 0.
                if (HasMin)
                    Add(group, mins[g]);
            }
        }
    }

    /// <summary>Splits one block, as <see cref="Decompose"/> does; the spans have exactly a block's lengths.</summary>
    private protected abstract void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins);

    /// <inheritdoc/>
    public sealed override void Quantize(
        ReadOnlySpan<float> values, Span<byte> blocks, ReadOnlySpan<float> importance = default)
    {
        int count = CountBlocks(blocks.Length, values.Length, importance.Length);
        float meanSquare = MeanSquare(values);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<float> weights = importance.IsEmpty ? [] : importance.Slice(i * BlockSize, BlockSize);
            // An expert that calibration never reached has no importance anywhere; it must not become zeros.
            if (!weights.ContainsAnyExcept(0))
                weights = [];
            QuantizeBlock(
                values.Slice(i * BlockSize, BlockSize), weights, meanSquare, blocks.Slice(i * BlockBytes, BlockBytes));
        }
    }

    /// <summary>Encodes one block; overridden where <see cref="WeightFormat.CanQuantize"/>.</summary>
    /// <param name="values">A block's values.</param>
    /// <param name="importance">As many importances, or none.</param>
    /// <param name="meanSquare">The mean square of all values of this call, a row where there is an importance.</param>
    /// <param name="block">A block's bytes, of any content, written.</param>
    private protected virtual void QuantizeBlock(
        ReadOnlySpan<float> values, ReadOnlySpan<float> importance, float meanSquare, Span<byte> block) =>
        throw new NotSupportedException($"{Name} can be read but not written.");

    /// <summary>The mean of the squares, summed in order.</summary>
    private protected static float MeanSquare(ReadOnlySpan<float> values)
    {
        float sum = 0;
        foreach (float value in values)
            sum += value * value;
        return sum / values.Length;
    }

    private static void Multiply(ReadOnlySpan<sbyte> quants, float scale, Span<float> values)
    {
        ReadOnlySpan<Vector128<sbyte>> sixteens = MemoryMarshal.Cast<sbyte, Vector128<sbyte>>(quants);
        Span<Vector128<float>> fours = MemoryMarshal.Cast<float, Vector128<float>>(values);
        for (int i = 0; i < sixteens.Length; i++)
        {
            (Vector128<short> low, Vector128<short> high) = Vector128.Widen(sixteens[i]);
            (Vector128<int> a, Vector128<int> b) = Vector128.Widen(low);
            (Vector128<int> c, Vector128<int> d) = Vector128.Widen(high);
            Span<Vector128<float>> target = fours.Slice(4 * i, 4);
            target[0] = Vector128.ConvertToSingle(a) * scale;
            target[1] = Vector128.ConvertToSingle(b) * scale;
            target[2] = Vector128.ConvertToSingle(c) * scale;
            target[3] = Vector128.ConvertToSingle(d) * scale;
        }
    }

    private static void Add(Span<float> values, float min)
    {
        foreach (ref Vector128<float> four in MemoryMarshal.Cast<float, Vector128<float>>(values))
            four += Vector128.Create(min);
    }
}
