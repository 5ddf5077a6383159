namespace Sluice.Compression;

/// <summary>Rounding each weight by itself: the plainest method, and what every other is compared with.</summary>
public static class RoundToNearest
{
    /// <summary>Rounds a matrix.</summary>
    /// <param name="weights">[rows, columns].</param>
    /// <param name="rows">Outputs.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="grid">What to.</param>
    /// <param name="importance">What the squared errors of each column count, or empty: all the same.</param>
    public static RoundedMatrix Round(
        ReadOnlySpan<float> weights, int rows, int columns, Grid grid, ReadOnlySpan<float> importance = default)
    {
        RoundedMatrix result = new(grid, rows, columns);
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> values = weights.Slice(row * columns, columns);
            for (int fit = 0; fit < result.FitsInRow; fit++)
            {
                int start = fit * grid.FitSize;
                result.Fit(
                    row, fit, values.Slice(start, grid.FitSize), importance.IsEmpty ? importance : importance.Slice(start, grid.FitSize));
            }
            for (int i = 0; i < columns; i++)
                result.Round(row, i, values[i]);
        }
        return result;
    }
}
