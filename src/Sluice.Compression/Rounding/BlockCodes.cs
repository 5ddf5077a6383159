using System.Collections.Concurrent;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>
/// Where a block format keeps each weight's code, found out from its <see cref="IntegerFormat.Decompose"/> alone: which bits of a block
/// change a weight's integer, and which integer each of their patterns means. So a format needs no code of its own to have weights
/// written one by one. Formats whose weights share bits (ternary ones, code books of several weights) have no such codes.
/// </summary>
internal sealed class BlockCodes
{
    private static readonly ConcurrentDictionary<IntegerFormat, BlockCodes?> Known = [];

    private readonly int[][] _bits; // of each weight
    private readonly Dictionary<int, int>[] _patterns; // of each weight, by integer
    private readonly int[] _integers; // ascending
    private readonly bool _isContiguous;

    private BlockCodes(int[][] bits, Dictionary<int, int>[] patterns)
    {
        (_bits, _patterns) = (bits, patterns);
        _integers = [.. patterns[0].Keys.Order()];
        _isContiguous = _integers[^1] - _integers[0] == _integers.Length - 1;
    }

    /// <summary>The codes of a format, or null where it has none.</summary>
    public static BlockCodes? Of(IntegerFormat format) => Known.GetOrAdd(format, Find);

    /// <summary>The integer nearest to a number.</summary>
    public int Nearest(float value)
    {
        if (_isContiguous)
            return (int)Math.Clamp(MathF.Round(value), _integers[0], _integers[^1]);
        int i = 0;
        while (i < _integers.Length - 1 && value > 0.5f * (_integers[i] + _integers[i + 1]))
            i++;
        return _integers[i];
    }

    /// <summary>Replaces a block's integers.</summary>
    public void Write(Span<byte> block, ReadOnlySpan<short> integers)
    {
        for (int i = 0; i < integers.Length; i++)
            SetPattern(block, _bits[i], _patterns[i][integers[i]]);
    }

    private static BlockCodes? Find(IntegerFormat format)
    {
        int size = format.BlockSize;
        byte[] block = new byte[format.BlockBytes];
        SortedSet<int>[] bits = [.. Enumerable.Range(0, size).Select(_ => new SortedSet<int>())];
        // Twice, as the sign of a zero changes nothing.
        foreach (byte background in new byte[] { 0, 255 })
        {
            Array.Fill(block, background);
            sbyte[] before = Integers(format, block);
            for (int bit = 0; bit < 8 * block.Length; bit++)
            {
                Flip(block, bit);
                sbyte[] changed = Integers(format, block);
                Flip(block, bit);
                int[] weights = [.. Enumerable.Range(0, size).Where(i => changed[i] != before[i])];
                if (weights.Length > 1)
                    return null;
                if (weights.Length == 1)
                    bits[weights[0]].Add(bit);
            }
        }
        if (bits.Any(own => own.Count is 0 or > 8))
            return null;

        int[][] places = [.. bits.Select(own => own.ToArray())];
        Dictionary<int, int>[] patterns = [.. places.Select(_ => new Dictionary<int, int>())];
        for (int pattern = 0; pattern < 1 << places[0].Length; pattern++)
        {
            foreach (int[] own in places)
                SetPattern(block, own, pattern);
            sbyte[] integers = Integers(format, block);
            for (int i = 0; i < size; i++)
                patterns[i].TryAdd(integers[i], pattern);
        }
        return new BlockCodes(places, patterns);
    }

    private static sbyte[] Integers(IntegerFormat format, byte[] block)
    {
        int groups = format.BlockSize / format.GroupSize;
        sbyte[] integers = new sbyte[format.BlockSize];
        format.Decompose(block, integers, new float[groups], new float[format.HasMin ? groups : 0]);
        return integers;
    }

    private static void Flip(Span<byte> block, int bit) => block[bit / 8] ^= (byte)(1 << (bit % 8));

    private static void SetPattern(Span<byte> block, ReadOnlySpan<int> bits, int pattern)
    {
        for (int i = 0; i < bits.Length; i++)
        {
            ref byte at = ref block[bits[i] / 8];
            int mask = 1 << (bits[i] % 8);
            at = (byte)(((pattern >> i) & 1) == 0 ? at & ~mask : at | mask);
        }
    }
}
