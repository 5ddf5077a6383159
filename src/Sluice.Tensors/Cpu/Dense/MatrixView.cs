namespace Sluice.Tensors.Cpu;

/// <summary>A dense float32 matrix as others keep it in memory: element (i, j) is at <c>i * RowStride + j * ColumnStride</c>.</summary>
public readonly ref struct MatrixView
{
    /// <summary>A row-major matrix, or a part of one.</summary>
    /// <param name="values">From its first element on.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="stride">Elements from one row to the next.</param>
    /// <exception cref="ArgumentException">There are fewer values.</exception>
    public MatrixView(ReadOnlySpan<float> values, int rows, int columns, int stride)
        : this(values, rows, columns, stride, 1)
    {
        if (rows < 0 || columns < 0 || (rows > 0 && columns > 0 && (long)(rows - 1) * stride + columns > values.Length))
            throw new ArgumentException($"{values.Length} values are no matrix of {rows} x {columns} with a stride of {stride}.", nameof(values));
    }

    private MatrixView(ReadOnlySpan<float> values, int rows, int columns, int rowStride, int columnStride)
    {
        Values = values;
        (Rows, Columns, RowStride, ColumnStride) = (rows, columns, rowStride, columnStride);
    }

    /// <summary>Rows.</summary>
    public int Rows { get; }

    /// <summary>Columns.</summary>
    public int Columns { get; }

    /// <summary>The same elements, transposed.</summary>
    public MatrixView Transposed => new(Values, Columns, Rows, ColumnStride, RowStride);

    internal ReadOnlySpan<float> Values { get; }

    internal int RowStride { get; }

    internal int ColumnStride { get; }
}
