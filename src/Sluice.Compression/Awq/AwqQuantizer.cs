using Sluice.Files;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>Quantizes a model's matrices by <see cref="Awq"/>: scales are folded into what comes before, so the model runs as any other.</summary>
public static class AwqQuantizer
{
    /// <summary>Searches the scales of all layers.</summary>
    /// <param name="file">The model.</param>
    /// <param name="format">What a tensor becomes, null for one that is copied.</param>
    /// <param name="calibrator">The statistics of the inputs.</param>
    /// <param name="grid">What the weights are rounded to; null for the blocks of the format they are written in.</param>
    /// <exception cref="NotSupportedException">Weights cannot be rounded one by one to a format.</exception>
    public static ITensorQuantizer Create(
        ModelFile file, Func<TensorInfo, WeightFormat?> format, Calibrator calibrator, GridFactory? grid = null)
    {
        FoldedFactors factors = FoldedFactors.Search(file, calibrator, tensor => Grids.For(tensor, format(tensor), grid), (pair, consumers) =>
            Awq.SearchScales(calibrator.Pool, consumers, pair.Count, pair.FactorOf).Scales);
        return new FoldingQuantizer(factors, new Clipping(factors, calibrator, grid));
    }

    private sealed class Clipping(FoldedFactors factors, Calibrator calibrator, GridFactory? grid) : ITensorQuantizer
    {
        private readonly ITensorQuantizer _nearest = Grids.Nearest(grid);

        public bool Changes(TensorInfo tensor) => grid is not null && Grids.IsMap(tensor);

        public IMatrixQuantizer Begin(MatrixToQuantize matrix)
        {
            if (matrix.Tensor.Name == FoldRules.Embedding || Grids.For(matrix.Tensor, matrix.Format, grid) is not { } chosen
                || calibrator.Find(matrix.Tensor.Name, matrix.Expert) is not { } inputs)
            {
                return _nearest.Begin(matrix);
            }
            float[] scales = factors.ColumnsOf(matrix.Tensor.Name, matrix.Expert, matrix.Columns).ToArray();
            if (scales.Length == 0)
                Array.Fill(scales = new float[matrix.Columns], 1);
            return new Rows(matrix, scales, inputs.Gram, chosen);
        }
    }

    private sealed class Rows(MatrixToQuantize matrix, float[] scales, float[] gram, Grid grid) : GridMatrix(matrix)
    {
        public override RoundedMatrix Round(int firstRow, Span<float> rows)
        {
            using WorkerPool alone = new(1);
            return Awq.Round(alone, rows.ToArray(), scales, gram, grid);
        }
    }
}
