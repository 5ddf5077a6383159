using Sluice.Files;

namespace Sluice.Compression;

/// <summary>A matrix whose columns are to be multiplied, with what a search for the factors needs to know of it.</summary>
/// <param name="Inputs">Its calibration inputs.</param>
/// <param name="Grid">What it will be rounded to; null where it keeps its floats.</param>
/// <param name="Load">Its weights [rows, columns], read now.</param>
internal sealed record FoldConsumer(InputStatistics Inputs, Grid? Grid, Func<float[]> Load)
{
    /// <summary>The consumers of a pair's factors.</summary>
    /// <param name="pair">The pair.</param>
    /// <param name="expert">Whose factors; 0 where all experts share them.</param>
    /// <param name="calibrator">The statistics.</param>
    /// <param name="grid">The grid of a tensor, null where it keeps its floats.</param>
    public static FoldConsumer[] Of(FoldPair pair, int expert, Calibrator calibrator, Func<TensorInfo, Grid?> grid)
    {
        List<FoldConsumer> consumers = [];
        foreach (TensorInfo to in pair.To)
        {
            int all = MatrixToQuantize.CountOf(to);
            foreach (int e in pair.Experts > 1 ? [expert] : Enumerable.Range(0, all))
            {
                if (calibrator.Find(to.Name, e) is { } inputs)
                    consumers.Add(new FoldConsumer(inputs, grid(to), () => Read(to, e, all)));
            }
        }
        return [.. consumers];
    }

    private static float[] Read(TensorInfo tensor, int expert, int experts)
    {
        float[] values = new float[checked((int)(tensor.Count / experts))];
        tensor.Dequantize(expert * (values.Length / tensor.Shape[0]), values);
        return values;
    }
}
