using Sluice.Files;

namespace Sluice.Compression;

/// <summary>Rounds a model's maps to nearest values of a grid of bits and group size, whatever the format that then stores them.</summary>
/// <param name="grid">The grid.</param>
public sealed class GridQuantizer(GridFactory grid) : ITensorQuantizer
{
    private readonly NearestQuantizer _nearest = new();

    /// <inheritdoc/>
    public bool Changes(TensorInfo tensor) => Grids.IsMap(tensor);

    /// <inheritdoc/>
    public IMatrixQuantizer Begin(MatrixToQuantize matrix) =>
        Grids.For(matrix.Tensor, matrix.Format, grid) is { } chosen ? new Rows(matrix, chosen) : _nearest.Begin(matrix);

    private sealed class Rows(MatrixToQuantize matrix, Grid grid) : GridMatrix(matrix)
    {
        public override RoundedMatrix Round(int firstRow, Span<float> rows) =>
            RoundToNearest.Round(rows, rows.Length / Matrix.Columns, Matrix.Columns, grid, Matrix.Importance.Span);
    }
}
