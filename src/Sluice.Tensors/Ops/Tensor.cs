namespace Sluice.Tensors;

/// <summary>
/// A view of float32 activations [rows, columns]: rows lie <see cref="Stride"/> floats apart. It owns nothing. Scratch tensors
/// are valid until the scope they were made in ends (<see cref="Ops.Scratch"/>), loaded ones as long as their <see cref="Ops"/>.
/// </summary>
public readonly unsafe struct Tensor
{
    internal readonly float* Data;

    internal Tensor(float* data, int rows, int columns, int stride)
    {
        Data = data;
        (Rows, Columns, Stride) = (rows, columns, stride);
    }

    /// <summary>Rows; one a token, for activations.</summary>
    public int Rows { get; }

    /// <summary>Columns.</summary>
    public int Columns { get; }

    /// <summary>Floats from one row to the next, at least <see cref="Columns"/>.</summary>
    public int Stride { get; }

    /// <summary>Whether this is no tensor, as for a bias that a model does not have.</summary>
    public bool IsEmpty => Data is null;

    /// <summary>The values of a row.</summary>
    public Span<float> this[int row] => (uint)row < (uint)Rows
        ? new Span<float>(Data + (long)row * Stride, Columns)
        : throw new ArgumentOutOfRangeException(nameof(row), row, $"The tensor has {Rows} rows.");

    /// <summary>A view of <paramref name="count"/> columns from <paramref name="start"/>.</summary>
    public Tensor ColumnRange(int start, int count)
    {
        if (start < 0 || count < 0 || start > Columns - count)
            throw new ArgumentOutOfRangeException(nameof(start), start, $"{count} columns from there, of {Columns}.");
        return new Tensor(Data + start, Rows, count, Stride);
    }

    /// <summary>A view of the same values as [<paramref name="rows"/>, <paramref name="columns"/>]; there may be no gaps between rows.</summary>
    public Tensor Reshape(int rows, int columns)
    {
        if ((long)rows * columns != (long)Rows * Columns || Stride != Columns)
            throw new ArgumentException($"[{Rows}, {Columns}] with stride {Stride} cannot be seen as [{rows}, {columns}].");
        return new Tensor(Data, rows, columns, columns);
    }
}
