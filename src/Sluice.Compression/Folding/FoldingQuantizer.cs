using Sluice.Files;

namespace Sluice.Compression;

/// <summary>Multiplies a model's tensors by folded factors, then quantizes them by another method.</summary>
internal sealed class FoldingQuantizer(FoldedFactors factors, ITensorQuantizer method) : ITensorQuantizer
{
    public bool Changes(TensorInfo tensor) => factors.Has(tensor) || method.Changes(tensor);

    /// <summary>What each column of a matrix is multiplied by, and its inputs are divided by; empty for 1.</summary>
    public ReadOnlySpan<float> ColumnsOf(string tensor, int expert, int columns) => factors.ColumnsOf(tensor, expert, columns);

    public void Describe(Metadata metadata)
    {
        // Of inputs as they were.
        ActivationRanges.Remove(metadata);
        ActivationThresholds.Remove(metadata);
        FoldedChanges.Add(metadata, FoldedChanges.Scales);
    }

    public IMatrixQuantizer Begin(MatrixToQuantize matrix) => new Rows(matrix, factors, method.Begin(matrix));

    private sealed class Rows(MatrixToQuantize matrix, FoldedFactors factors, IMatrixQuantizer inner) : IMatrixQuantizer
    {
        public bool WantsManyRows => inner.WantsManyRows;

        public void Quantize(int firstRow, Span<float> rows, Span<byte> bytes)
        {
            Multiply(firstRow, rows);
            inner.Quantize(firstRow, rows, bytes);
        }

        public RoundedMatrix? Round(int firstRow, Span<float> rows)
        {
            Multiply(firstRow, rows);
            return inner.Round(firstRow, rows);
        }

        public void Dispose() => inner.Dispose();

        private void Multiply(int firstRow, Span<float> rows) =>
            factors.Multiply(matrix.Tensor.Name, matrix.Expert, matrix.Rows, firstRow, rows, matrix.Columns);
    }
}
