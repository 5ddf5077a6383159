using System.Buffers.Binary;

namespace Sluice.Tensors.Formats;

/// <summary>
/// Small floats in blocks that share a scale: <c>value = scale * level[code]</c>, as FP8 and bitsandbytes' checkpoints have them.
/// Levels are singles, so that nothing is lost.
/// <code>
/// byte 0   scale  single
///      4   codes  of 8 bits, or of 4, the first weight in the low ones
/// </code>
/// NF4 is the normal float of QLoRA (Dettmers et al. 2023), FP4 bitsandbytes' other type. Scales that a checkpoint gives to a whole row,
/// tensor or square of 128x128 are repeated in each block.
/// </summary>
public sealed class ScaledFloats : WeightFormat
{
    private readonly float[] _sorted; // the levels in order
    private readonly byte[] _codes;   // and the codes that stand for them

    private ScaledFloats(int number, string name, int blockSize, float[] levels, float unit)
    {
        Type = FirstType + (uint)number;
        Name = name;
        BlockSize = blockSize;
        Levels = levels;
        Bits = levels.Length == 16 ? 4 : 8;
        Unit = unit;
        _codes = [.. Enumerable.Range(0, levels.Length).Where(c => float.IsFinite(levels[c])).OrderBy(c => levels[c]).Select(c => (byte)c)];
        _sorted = [.. _codes.Select(c => levels[c])];
    }

    internal const TensorType FirstType = WeightFormats.FirstOwnType + 128;

    internal const int TypeCount = 8;

    /// <summary>All: each for rows of whole blocks of its usual size, and of 32.</summary>
    internal static IEnumerable<WeightFormat> All { get; } =
    [
        .. Both(0, "F8_E4M3", 128, Table(Float8.FromE4M3), 256),
        .. Both(2, "F8_E5M2", 128, Table(Float8.FromE5M2), 1),
        .. Both(4, "NF4", 64, NormalLevels, 1),
        .. Both(6, "FP4", 64, FloatLevels, 1),
    ];

    /// <inheritdoc/>
    public override TensorType Type { get; }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override int BlockSize { get; }

    /// <inheritdoc/>
    public override int BlockBytes => sizeof(float) + (BlockSize * Bits / 8);

    /// <summary>Bits of a code: 4 or 8.</summary>
    public int Bits { get; }

    /// <summary>What each code stands for.</summary>
    public float[] Levels { get; }

    /// <summary>Of 8-bit codes: their value over that of the half whose bits theirs become when they move to its places.</summary>
    internal float Unit { get; }

    /// <inheritdoc/>
    public override bool CanQuantize => true;

    /// <summary>The format of that name for rows of so many columns, in blocks that also divide a stored one; null if there is none.</summary>
    public static ScaledFloats? Find(string name, int columns, int storedBlock)
    {
        WeightFormat usual = WeightFormats.Get(name);
        return (ScaledFloats?)(columns % usual.BlockSize == 0 && storedBlock % usual.BlockSize == 0 ? usual
            : columns % 32 == 0 && storedBlock % 32 == 0 ? WeightFormats.Get(name + "_B32") : null);
    }

    /// <summary>Splits whole blocks into levels and a scale for every 32 of them.</summary>
    internal void Decompose(ReadOnlySpan<byte> blocks, Span<float> levels, Span<float> scales)
    {
        CountBlocks(blocks.Length, levels.Length);
        for (int i = 0; i < levels.Length; i++)
        {
            ReadOnlySpan<byte> block = blocks.Slice(i / BlockSize * BlockBytes, BlockBytes), codes = block[sizeof(float)..];
            int j = i % BlockSize;
            levels[i] = Levels[Bits == 8 ? codes[j] : (codes[j / 2] >> (j % 2 * 4)) & 15];
            scales[i / 32] = BinaryPrimitives.ReadSingleLittleEndian(block);
        }
    }

    /// <inheritdoc/>
    public override void Dequantize(ReadOnlySpan<byte> blocks, Span<float> values)
    {
        int count = CountBlocks(blocks.Length, values.Length);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> block = blocks.Slice(i * BlockBytes, BlockBytes), codes = block[sizeof(float)..];
            Span<float> target = values.Slice(i * BlockSize, BlockSize);
            float scale = BinaryPrimitives.ReadSingleLittleEndian(block);
            for (int j = 0; j < target.Length; j++)
                target[j] = Levels[Bits == 8 ? codes[j] : (codes[j / 2] >> (j % 2 * 4)) & 15] * scale;
        }
    }

    /// <summary>Scales each block's largest magnitude to the largest level, and takes the nearest levels; of two as near the even code.</summary>
    public override void Quantize(ReadOnlySpan<float> values, Span<byte> blocks, ReadOnlySpan<float> importance = default)
    {
        int count = CountBlocks(blocks.Length, values.Length, importance.Length);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<float> source = values.Slice(i * BlockSize, BlockSize);
            float largest = 0;
            foreach (float value in source)
                largest = MathF.Max(largest, MathF.Abs(value));
            float scale = largest / _sorted[^1];
            Span<byte> block = blocks.Slice(i * BlockBytes, BlockBytes), codes = block[sizeof(float)..];
            BinaryPrimitives.WriteSingleLittleEndian(block, scale);
            codes.Clear();
            for (int j = 0; j < source.Length; j++)
            {
                byte code = Nearest(scale == 0 ? 0 : source[j] / scale);
                codes[Bits == 8 ? j : j / 2] |= (byte)(Bits == 8 ? code : code << (j % 2 * 4));
            }
        }
    }

    /// <summary>The code of the nearest level.</summary>
    public byte Nearest(float value)
    {
        int at = Array.BinarySearch(_sorted, value);
        if (at >= 0)
            return _codes[at];
        int above = Math.Min(~at, _sorted.Length - 1), below = Math.Max(~at - 1, 0);
        float up = _sorted[above] - value, down = value - _sorted[below];
        return up < down || (up == down && _codes[above] % 2 == 0) ? _codes[above] : _codes[below];
    }

    private static ScaledFloats[] Both(int number, string name, int blockSize, float[] levels, float unit) =>
        [new(number, name, blockSize, levels, unit), new(number + 1, name + "_B32", 32, levels, unit)];

    private static float[] Table(Func<byte, float> decode) => [.. Enumerable.Range(0, 256).Select(code => decode((byte)code))];

    // Quantiles of the normal distribution with an exact 0 (QLoRA, appendix E), as bitsandbytes has them in single precision.
    private static float[] NormalLevels =>
    [
        -1, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
        -0.09105003625154495f, 0, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
        0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1,
    ];

    // bitsandbytes: 0, 1/192, 2/3, 1, 1/3, 1/2, 1/6, 1/4 and their negatives.
    private static float[] FloatLevels
    {
        get
        {
            float[] half = [0, 0.005208333333f, 0.66666667f, 1, 0.33333333f, 0.5f, 0.16666667f, 0.25f];
            return [.. half, .. half.Select(level => -level)];
        }
    }
}
