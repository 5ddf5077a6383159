using System.Buffers;
using Sluice.Files;
using Sluice.Tensors.Cpu;

namespace Sluice.Compression;

/// <summary>Quantizes a model's matrices by <see cref="Gptq"/>; tensors that are no linear map, and those of float formats, to nearest.</summary>
/// <param name="calibrator">The statistics of the inputs.</param>
/// <param name="damping">As of <see cref="GptqFactor.Create"/>.</param>
/// <param name="actOrder">As of <see cref="GptqFactor.Create"/>.</param>
/// <param name="grid">What the weights are rounded to; null for the blocks of the format they are written in.</param>
/// <param name="staticGroups">As of <see cref="Gptq.Round"/>.</param>
public sealed class GptqQuantizer(
    Calibrator calibrator, float damping = 0.01f, bool actOrder = false, GridFactory? grid = null, bool staticGroups = false) : ITensorQuantizer
{
    private readonly ITensorQuantizer _nearest = Grids.Nearest(grid);
    private (InputStatistics Inputs, GptqFactor Factor)? _last;

    /// <inheritdoc/>
    public bool Changes(TensorInfo tensor) => grid is not null && Grids.IsMap(tensor);

    /// <inheritdoc/>
    public IMatrixQuantizer Begin(MatrixToQuantize matrix)
    {
        if (!calibrator.Holds(matrix.Tensor.Name))
            _last = null; // to be freed before others are gathered
        if (matrix.Tensor.Name == FoldRules.Embedding || Grids.For(matrix.Tensor, matrix.Format, grid) is not { } chosen
            || calibrator.Find(matrix.Tensor.Name, matrix.Expert) is not { } inputs)
        {
            return _nearest.Begin(matrix);
        }
        if (_last?.Inputs != inputs)
        {
            // The factors of large maps are few and huge: the old one, and what rounding left, go before the next.
            _last = null;
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive);
            _last = (inputs, GptqFactor.Create(calibrator.Pool, inputs.Gram, inputs.Columns, damping, actOrder));
        }
        return new Rows(matrix, _last.Value.Factor, chosen, staticGroups);
    }

    private sealed class Rows(MatrixToQuantize matrix, GptqFactor factor, Grid grid, bool staticGroups) : GridMatrix(matrix)
    {
        // Every call reads the whole factor.
        public override bool WantsManyRows => true;

        public override RoundedMatrix Round(int firstRow, Span<float> rows)
        {
            // Many rows are large arrays, which as garbage would stay in memory for long.
            float[] weights = ArrayPool<float>.Shared.Rent(rows.Length);
            rows.CopyTo(weights);
            using WorkerPool alone = new(1);
            RoundedMatrix rounded = Gptq.RoundRows(alone, weights, rows.Length / factor.Columns, factor, grid, staticGroups);
            ArrayPool<float>.Shared.Return(weights);
            return rounded;
        }
    }
}
