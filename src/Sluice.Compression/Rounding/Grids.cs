using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>Makes a grid for rows of a width.</summary>
public delegate Grid GridFactory(int columns);

/// <summary>What the methods' quantizers have in common: from a matrix to its grid, and from rounded weights to bytes.</summary>
internal static class Grids
{
    // Maps of a layer that are small and decide much, or are none of a matrix times a vector.
    private static readonly string[] Kept = ["ffn_gate_inp", "ssm_conv1d", "_norm"];

    /// <summary>Whether a tensor is one of the maps that a chosen grid is for: those of the layers.</summary>
    public static bool IsMap(TensorInfo tensor) =>
        tensor.Name.StartsWith("blk.", StringComparison.Ordinal) && tensor.Name.EndsWith(".weight", StringComparison.Ordinal)
        && tensor.Shape.Length > 1 && !Kept.Any(part => tensor.Name.Contains(part, StringComparison.Ordinal));

    /// <summary>What rounds matrices whose inputs a calibration does not show, and those that are no maps.</summary>
    public static ITensorQuantizer Nearest(GridFactory? chosen) => chosen is null ? new NearestQuantizer() : new GridQuantizer(chosen);

    /// <summary>The grid of a matrix: one that was chosen, or the blocks of its format; null where it is to keep its floats.</summary>
    /// <exception cref="NotSupportedException">Its weights cannot be rounded one by one to its format, or the grid's groups do not divide its rows.</exception>
    public static Grid? For(TensorInfo tensor, WeightFormat? format, GridFactory? chosen)
    {
        if (chosen is not null)
        {
            if (!IsMap(tensor))
                return null;
            Grid grid = chosen(checked((int)tensor.Shape[0]));
            CheckGroups(tensor, grid.FitSize);
            return grid;
        }
        if (format?.Integer is null)
            return null;
        if (!BlockGrid.Exists(format))
            throw new NotSupportedException($"{tensor.Name}: weights cannot be rounded one by one to {format.Name}, as this method does.");
        return new BlockGrid(format);
    }

    /// <summary>Refuses groups that do not divide a map's rows.</summary>
    /// <exception cref="NotSupportedException">They do not; the message names the tensor.</exception>
    public static void CheckGroups(TensorInfo map, int group)
    {
        if (map.Shape[0] % group != 0)
            throw new NotSupportedException($"Groups of {group} columns do not divide the rows of '{map.Name}', which have {map.Shape[0]}.");
    }

    /// <summary>Writes rounded rows in the matrix's format: as they are if the grid is the format's, else their values.</summary>
    /// <param name="rounded">The rows.</param>
    /// <param name="matrix">The matrix they are of.</param>
    /// <param name="values">Space for their values.</param>
    /// <param name="bytes">Written.</param>
    public static void Write(RoundedMatrix rounded, MatrixToQuantize matrix, Span<float> values, Span<byte> bytes)
    {
        if (rounded.Grid is BlockGrid)
        {
            rounded.Encode().CopyTo(bytes);
            return;
        }
        for (int row = 0; row < rounded.Rows; row++)
            rounded.Restore(row, values.Slice(row * rounded.Columns, rounded.Columns));
        matrix.Format.Quantize(values, bytes);
    }
}
