namespace Sluice.Compression;

/// <summary>A matrix whose rows are rounded to a <see cref="Grid"/>; what a method adds is how.</summary>
internal abstract class GridMatrix(MatrixToQuantize matrix) : IMatrixQuantizer
{
    public virtual bool WantsManyRows => false;

    protected MatrixToQuantize Matrix => matrix;

    public abstract RoundedMatrix Round(int firstRow, Span<float> rows);

    public void Quantize(int firstRow, Span<float> rows, Span<byte> bytes) => Grids.Write(Round(firstRow, rows), matrix, rows, bytes);

    public void Dispose() { }
}
