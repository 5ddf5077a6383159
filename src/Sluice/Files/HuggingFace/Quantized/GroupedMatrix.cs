using System.Runtime.InteropServices;
using Sluice.Tensors.Formats;
using Sluice.Tensors.Memory;

namespace Sluice.Files.HuggingFace;

/// <summary>A matrix of group-wise integers as a checkpoint has it, and how it becomes a tensor of <see cref="GroupedFormat"/>.</summary>
internal abstract class GroupedMatrix(QuantizedModule module, int rows, int columns, int bits, int groups)
{
    private const int Tile = 32; // rows that are read together: those of a cache line or two where a row is a column of the file

    public int Rows => rows;

    public int Columns => columns;

    public int Bits => bits;

    public int Groups => groups;

    /// <summary>Whether scales are more than halves.</summary>
    public required bool HasSingles { get; init; }

    /// <summary>Whether some zero point is not the middle code.</summary>
    public required bool HasZero { get; init; }

    /// <summary>The group of each column, or null where groups are columns side by side.</summary>
    public int[]? ColumnGroups { get; init; }

    protected QuantizedModule Module => module;

    /// <summary>What is read once for all rows: their scales and zero points.</summary>
    /// <returns>[rows, groups] and, the codes that stand for 0, [rows, groups], if there are any.</returns>
    protected abstract (float[] Scales, byte[]? Zeros) ReadGroups();

    /// <summary>Reads rows of codes.</summary>
    /// <param name="row">The first.</param>
    /// <param name="count">How many.</param>
    /// <param name="codes">[count, columns], written.</param>
    protected abstract void ReadCodes(int row, int count, Span<byte> codes);

    /// <summary>The tensor, whose bytes are made when they are asked for.</summary>
    public TensorInfo ToTensor()
    {
        int size = GroupSize();
        int[]? order = Order(size);
        GroupedFormat format = GroupedFormat.Find(bits, size, columns, HasZero, HasSingles)
            ?? throw new NotSupportedException(
                $"{module.Path}: '{module.Name}' has groups of {size} of its {columns} columns with {bits} bits; Sluice runs groups that are multiples of 32, with 2 to 6 or 8 bits.");
        int bytes = module.BytesOf(format, rows, columns);
        return new TensorInfo(module.Name + ".weight", format.Type, [columns, rows], bytes, () => Make(format, size, order, bytes))
        {
            ColumnOrder = order,
        };
    }

    private MappedBytes Make(GroupedFormat format, int size, int[]? order, int bytes)
    {
        MappedFile file = MappedFile.InMemory(module.Path, bytes, out Memory<byte> memory);
        (float[] scales, byte[]? zeros) = ReadGroups();
        Parallel.For(0, (rows + Tile - 1) / Tile, tile =>
        {
            int first = tile * Tile, count = Math.Min(Tile, rows - first), rowBytes = bytes / rows;
            byte[] codes = new byte[count * columns], ordered = new byte[columns];
            ReadCodes(first, count, codes);
            for (int r = 0; r < count; r++)
            {
                Span<byte> row = codes.AsSpan(r * columns, columns), target = memory.Span.Slice((first + r) * rowBytes, rowBytes);
                if (order is not null)
                {
                    for (int c = 0; c < columns; c++)
                        ordered[c] = row[order[c]];
                    row = ordered;
                }
                for (int c = 0; c < columns; c += format.BlockSize, target = target[format.BlockBytes..])
                {
                    int group = (first + r) * groups + c / size;
                    format.WriteHeader(scales[group], zeros is null ? 0 : zeros[group], target);
                    BitStream.Write(row.Slice(c, format.BlockSize), bits, target[format.HeaderBytes..]);
                }
            }
        });
        return file.Bytes;
    }

    private int GroupSize() => columns % groups == 0
        ? columns / groups
        : throw new NotSupportedException($"{module.Path}: '{module.Name}' has {columns} columns in {groups} groups, which are not equally large.");

    /// <summary>The columns by their group, those of one as they were; null where they stand so already.</summary>
    private int[]? Order(int size)
    {
        // Some programs leave zeros where the order is the usual one.
        if (ColumnGroups is null || !ColumnGroups.AsSpan().ContainsAnyExcept(0))
            return null;
        int[] next = new int[groups], order = new int[columns];
        bool isUsual = true;
        for (int c = 0; c < columns; c++)
        {
            int group = ColumnGroups[c];
            if ((uint)group >= (uint)groups || next[group] == size)
            {
                throw new InvalidDataException(
                    $"{module.Path}: '{module.Name}' has column {c} in group {group}, which is none of {groups} of {size} columns each.");
            }
            order[group * size + next[group]++] = c;
            isUsual &= group == c / size;
        }
        return isUsual ? null : order;
    }

    /// <summary>Rows of codes that are words side by side, a stream of bits each.</summary>
    protected static void ReadStreams(ReadOnlySpan<int> words, int bits, int columns, int count, Span<byte> codes)
    {
        int perRow = words.Length / count;
        for (int r = 0; r < count; r++)
            BitStream.Read(MemoryMarshal.AsBytes(words.Slice(r * perRow, perRow)), bits, codes.Slice(r * columns, columns));
    }
}
