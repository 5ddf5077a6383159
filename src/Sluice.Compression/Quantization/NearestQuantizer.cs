namespace Sluice.Compression;

/// <summary>Encodes every block alone, as near to its values as the format's own search gets, weighted by importance where there is any.</summary>
public sealed class NearestQuantizer : ITensorQuantizer
{
    /// <inheritdoc/>
    public IMatrixQuantizer Begin(MatrixToQuantize matrix) => new Rows(matrix);

    private sealed class Rows(MatrixToQuantize matrix) : IMatrixQuantizer
    {
        public void Quantize(int firstRow, Span<float> rows, Span<byte> bytes)
        {
            int columns = matrix.Columns, rowBytes = (int)matrix.Format.Bytes(columns);
            // Row by row, because formats look at how large the values of a row are.
            for (int i = 0; i * columns < rows.Length; i++)
                matrix.Format.Quantize(rows.Slice(i * columns, columns), bytes.Slice(i * rowBytes, rowBytes), matrix.Importance.Span);
        }

        public void Dispose() { }
    }
}
