namespace Sluice.Files.HuggingFace;

/// <summary>Scales of a matrix, each of some rows and columns of it: of all, of a row, of a group of a row, of a square.</summary>
/// <param name="Tensor">The scales.</param>
/// <param name="RowBlock">Rows that share one.</param>
/// <param name="ColumnBlock">Columns that share one.</param>
/// <param name="Width">Scales side by side.</param>
internal sealed record ScaleGrid(TensorInfo Tensor, int RowBlock, int ColumnBlock, int Width)
{
    /// <summary>Takes a map's scales.</summary>
    /// <param name="module">The map.</param>
    /// <param name="suffix">Which tensor.</param>
    /// <param name="rows">Rows of the matrix.</param>
    /// <param name="columns">Its columns.</param>
    /// <param name="block">Rows and columns of a square, if scales are those of squares.</param>
    /// <exception cref="InvalidDataException">There are none, or their shape does not fit.</exception>
    public static ScaleGrid Take(QuantizedModule module, string suffix, int rows, int columns, (int Rows, int Columns)? block = null)
    {
        TensorInfo tensor = module.TakeFloats(suffix);
        long[] shape = [.. tensor.Shape.Reverse()];
        if (block is { } square && shape is [long down, long across]
            && down == Blocks(rows, square.Rows) && across == Blocks(columns, square.Columns))
        {
            return new ScaleGrid(tensor, square.Rows, square.Columns, (int)across);
        }
        if (tensor.Count == 1)
            return new ScaleGrid(tensor, rows, columns, 1);
        return shape switch
        {
            [long r] when r == rows => new ScaleGrid(tensor, 1, columns, 1),
            [long r, long groups] when r == rows && columns % groups == 0 => new ScaleGrid(tensor, 1, (int)(columns / groups), (int)groups),
            _ => throw module.Error(suffix, $"has shape [{string.Join(", ", shape)}], which are no scales of [{rows}, {columns}]"),
        };
    }

    /// <summary>The place of a row's first scale.</summary>
    public int RowStart(int row) => row / RowBlock * Width;

    /// <summary>The scales.</summary>
    public float[] Read() => QuantizedModule.Floats(Tensor);

    private static int Blocks(int count, int size) => (count + size - 1) / size;
}
