using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Sluice.Tensors.Formats;

/// <summary>
/// Group-wise integers (<see cref="GroupedIntegers"/>) as rows of blocks, without a loss: what tensors of GPTQ, AWQ and
/// compressed-tensors become. <c>value = scale * (q - zero)</c>; q and zero are stored less the middle code. A block is a group, or a
/// part of it with the same scale.
/// <code>
/// byte 0      scale  half, or single
///      2 | 4  zero   signed byte, only if not symmetric
///             qs     codes as a <see cref="BitStream"/>
/// </code>
/// </summary>
public sealed class GroupedFormat : IntegerFormat
{
    private static readonly int[] AllBits = [2, 3, 4, 5, 6, 8];

    private GroupedFormat(int bits, int blockSize, bool hasZero, bool hasSingles)
        : base(
            Number(bits, blockSize, hasZero, hasSingles), blockSize,
            (hasSingles ? 4 : 2) + (hasZero ? 1 : 0) + (bits * blockSize / 8), groupSize: 32, -(1 << (bits - 1)), (1 << (bits - 1)) - 1,
            hasMin: hasZero)
    {
        HasSingles = hasSingles;
        Name = $"W{bits}G{blockSize}{(hasZero ? "Z" : "")}{(hasSingles ? "_F32" : "")}";
    }

    /// <summary>All: of 2 to 6 and 8 bits, in blocks of 32 to 256.</summary>
    internal static IEnumerable<WeightFormat> All { get; } =
    [
        .. from bits in AllBits
           from size in (int[])[32, 64, 128, 256]
           from hasZero in (bool[])[false, true]
           from hasSingles in (bool[])[false, true]
           select new GroupedFormat(bits, size, hasZero, hasSingles),
    ];

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>Whether scales are single rather than half precision.</summary>
    public bool HasSingles { get; }

    /// <summary>Whether blocks have a zero point.</summary>
    public bool HasZero => HasMin;

    /// <summary>Bytes of a block before its codes.</summary>
    public int HeaderBytes => (HasSingles ? 4 : 2) + (HasZero ? 1 : 0);

    /// <summary>The format of integers of so many bits, in the largest blocks that divide both a group and a row; null if there is none.</summary>
    public static GroupedFormat? Find(int bits, int groupSize, int columns, bool hasZero, bool hasSingles)
    {
        int common = Math.Min(256, 1 << BitOperations.TrailingZeroCount(groupSize | columns));
        return common < 32 || !AllBits.Contains(bits)
            ? null
            : (GroupedFormat)WeightFormats.Get(Number(bits, common, hasZero, hasSingles));
    }

    /// <summary>Writes a block's scale and zero point.</summary>
    /// <param name="scale">The scale; a half where blocks have halves.</param>
    /// <param name="zero">The code that stands for 0, ignored where blocks have none.</param>
    /// <param name="block">The block.</param>
    public void WriteHeader(float scale, int zero, Span<byte> block)
    {
        if (HasSingles)
            BinaryPrimitives.WriteSingleLittleEndian(block, scale);
        else
            Fields.WriteHalf(scale, block, 0);
        if (HasZero)
            block[HeaderBytes - 1] = (byte)(zero + Lowest);
    }

    /// <summary>Rewrites blocks in a format of as many bits and columns that holds all that this one does.</summary>
    /// <param name="blocks">Whole blocks.</param>
    /// <param name="format">The other format.</param>
    /// <param name="target">As many blocks of it, written.</param>
    public void Widen(ReadOnlySpan<byte> blocks, GroupedFormat format, Span<byte> target)
    {
        for (; blocks.Length > 0; blocks = blocks[BlockBytes..], target = target[format.BlockBytes..])
        {
            float scale = HasSingles ? BinaryPrimitives.ReadSingleLittleEndian(blocks) : Fields.Half(blocks, 0);
            format.WriteHeader(scale, HasZero ? (sbyte)blocks[HeaderBytes - 1] - Lowest : -Lowest, target);
            blocks[HeaderBytes..BlockBytes].CopyTo(target[format.HeaderBytes..]);
        }
    }

    private protected override void DecomposeBlock(
        ReadOnlySpan<byte> block, Span<sbyte> quants, Span<float> scales, Span<float> mins)
    {
        float scale = HasSingles ? BinaryPrimitives.ReadSingleLittleEndian(block) : Fields.Half(block, 0);
        scales.Fill(scale);
        if (HasZero)
            mins.Fill((sbyte)block[HeaderBytes - 1] * -scale);
        BitStream.Read(block[HeaderBytes..], Bits, MemoryMarshal.AsBytes(quants));
        Fields.Add(quants, (sbyte)Lowest);
    }

    // Dense, so that kernels can be listed by it.
    private static TensorType Number(int bits, int blockSize, bool hasZero, bool hasSingles) =>
        WeightFormats.FirstOwnType + (uint)((Array.IndexOf(AllBits, bits) << 4) | ((BitOperations.Log2((uint)blockSize) - 5) << 2)
            | (hasZero ? 2 : 0) | (hasSingles ? 1 : 0));
}
