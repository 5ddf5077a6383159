namespace Sluice.Tensors.Formats;

/// <summary>
/// A matrix as group-wise integers, which is what RTN, GPTQ and AWQ make and what their checkpoints hold:
/// <c>value[r, c] = Scales[r, g] * (Codes[r, c] - Zeros[r, g])</c>, where g is the group of column c.
/// </summary>
public sealed class GroupedIntegers
{
    /// <summary>Takes the parts, which are not copied.</summary>
    /// <param name="rows">Outputs.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="bits">Bits of a code, 2 to 8.</param>
    /// <param name="groupSize">Columns of a group; the last one may be shorter.</param>
    /// <param name="codes">[rows, columns], each from 0 to 2^bits - 1.</param>
    /// <param name="scales">[rows, groups].</param>
    /// <param name="zeros">[rows, groups], as large as codes can be: the code that stands for 0.</param>
    /// <param name="columnGroups">
    /// The group of each column (GPTQ's <c>g_idx</c>), where groups are not columns side by side; null where they are.
    /// </param>
    /// <exception cref="ArgumentException">The parts do not go together; the message says which.</exception>
    public GroupedIntegers(
        int rows, int columns, int bits, int groupSize, byte[] codes, float[] scales, byte[] zeros, int[]? columnGroups = null)
    {
        Require(rows > 0 && columns > 0, $"[{rows}, {columns}] is no matrix.");
        Require(bits is >= 2 and <= 8, $"Codes have 2 to 8 bits, not {bits}.");
        Require(groupSize > 0, $"Groups have at least 1 column, not {groupSize}.");
        int groups = (columns + groupSize - 1) / groupSize;
        Require(codes.LongLength == (long)rows * columns, $"[{rows}, {columns}] needs {(long)rows * columns} codes, not {codes.Length}.");
        Require(scales.LongLength == (long)rows * groups, $"{rows} rows of {groups} groups need as many scales, not {scales.Length}.");
        Require(zeros.Length == scales.Length, $"There are {scales.Length} scales but {zeros.Length} zero points.");
        Require(columnGroups is null || columnGroups.Length == columns, $"{columns} columns need as many groups, not {columnGroups?.Length}.");
        Require(columnGroups is null || !columnGroups.AsSpan().ContainsAnyExceptInRange(0, groups - 1), $"A column's group is not one of {groups}.");
        byte highest = (byte)((1 << bits) - 1);
        Require(!codes.AsSpan().ContainsAnyExceptInRange((byte)0, highest), $"A code is above {highest}.");
        Require(!zeros.AsSpan().ContainsAnyExceptInRange((byte)0, highest), $"A zero point is above {highest}.");
        (Rows, Columns, Bits, GroupSize, Groups) = (rows, columns, bits, groupSize, groups);
        (Codes, Scales, Zeros, ColumnGroups) = (codes, scales, zeros, columnGroups);
    }

    /// <summary>Outputs.</summary>
    public int Rows { get; }

    /// <summary>Inputs.</summary>
    public int Columns { get; }

    /// <summary>Bits of a code, 2 to 8.</summary>
    public int Bits { get; }

    /// <summary>Columns of a group.</summary>
    public int GroupSize { get; }

    /// <summary>Groups of a row.</summary>
    public int Groups { get; }

    /// <summary>[rows, columns], each from 0 to 2^bits - 1.</summary>
    public byte[] Codes { get; }

    /// <summary>[rows, groups].</summary>
    public float[] Scales { get; }

    /// <summary>[rows, groups]: the code that stands for 0; 2^(bits - 1) everywhere where the quantization is symmetric.</summary>
    public byte[] Zeros { get; }

    /// <summary>The group of each column (GPTQ's <c>g_idx</c>), or null where groups are columns side by side.</summary>
    public int[]? ColumnGroups { get; }

    /// <summary>Whether every zero point is the middle code.</summary>
    public bool IsSymmetric => !Zeros.AsSpan().ContainsAnyExcept((byte)(1 << (Bits - 1)));

    /// <summary>The group of a column.</summary>
    public int GroupOf(int column) => ColumnGroups is null ? column / GroupSize : ColumnGroups[column];

    /// <summary>Decodes a row.</summary>
    /// <param name="row">Which.</param>
    /// <param name="values">[columns], written.</param>
    public void Dequantize(int row, Span<float> values)
    {
        ReadOnlySpan<byte> codes = Codes.AsSpan(row * Columns, Columns);
        for (int c = 0; c < codes.Length; c++)
        {
            int g = row * Groups + GroupOf(c);
            values[c] = Scales[g] * (codes[c] - Zeros[g]);
        }
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
            throw new ArgumentException(message);
    }
}
