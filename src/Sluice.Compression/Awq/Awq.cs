using Sluice.Tensors.Cpu;

namespace Sluice.Compression;

/// <summary>
/// AWQ (Lin et al. 2023): columns that meet large inputs are scaled up before rounding, and their inputs down, so that their weights lose
/// less; how far is a search over the outputs' error. Then a search clips the range of each group.
/// </summary>
public static class Awq
{
    private const int Ratios = 20, Clips = 10;
    private const int SearchRows = 256; // of each matrix, which tell the best power as well as all do

    /// <summary>Searches the scales of the columns: the inputs' mean magnitudes to a power between 0 (all 1) and 1.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="weights">[rows, columns].</param>
    /// <param name="inputs">The calibration inputs.</param>
    /// <param name="grid">What the weights will be rounded to.</param>
    /// <returns>What each column is to be multiplied by, the power, and the error of the outputs (of 256 of them, if there are more) in the Gram matrix's units.</returns>
    /// <exception cref="InvalidDataException">Inputs or weights are not finite.</exception>
    public static (float[] Scales, float Power, double Error) SearchScales(WorkerPool pool, float[] weights, InputStatistics inputs, Grid grid) =>
        SearchScales(pool, [new FoldConsumer(inputs, grid, () => weights)], inputs.Columns, column => column);

    /// <summary>The same for several matrices that share their columns' scales.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="consumers">The matrices.</param>
    /// <param name="count">Scales.</param>
    /// <param name="scaleOf">The scale of each column.</param>
    internal static (float[] Scales, float Power, double Error) SearchScales(
        WorkerPool pool, FoldConsumer[] consumers, int count, Func<int, int> scaleOf)
    {
        float[] mean = Mean(consumers, count, scaleOf);
        float[][] scales = [.. Enumerable.Range(0, Ratios).Select(i => Scales(mean, (float)i / Ratios))];
        double[] errors = new double[Ratios];
        foreach (FoldConsumer consumer in consumers)
        {
            if (consumer.Grid is not { } grid)
                continue;
            int columns = consumer.Inputs.Columns;
            float[] weights = SomeRows(consumer.Load(), columns), differences = new float[weights.Length];
            for (int i = 0; i < Ratios; i++)
            {
                float[] across = [.. Enumerable.Range(0, columns).Select(column => scales[i][scaleOf(column)])];
                pool.For(weights.Length / columns, new RoundJob(weights, columns, across, grid, differences));
                errors[i] += OutputError.Of(pool, differences, weights.Length / columns, columns, consumer.Inputs.Gram);
            }
        }
        int best = Array.IndexOf(errors, errors.Min());
        return double.IsFinite(errors[best])
            ? (scales[best], (float)best / Ratios, errors[best])
            : throw new InvalidDataException("Calibration inputs or weights are not finite.");
    }

    /// <summary>Rounds scaled weights, clipping the range of each group as far as its part of the outputs gets better.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="weights">[rows, columns], scaled.</param>
    /// <param name="scales">What each column was multiplied by.</param>
    /// <param name="gram">X^T X of the inputs, not scaled, of which the lower triangle is read.</param>
    /// <param name="grid">What to.</param>
    /// <returns>The scaled weights, rounded.</returns>
    public static RoundedMatrix Round(WorkerPool pool, float[] weights, float[] scales, float[] gram, Grid grid)
    {
        RoundedMatrix result = new(grid, weights.Length / scales.Length, scales.Length);
        pool.For(result.Rows, new ClipJob(result, weights, scales, gram));
        return result;
    }

    private static float[] SomeRows(float[] weights, int columns)
    {
        int rows = weights.Length / columns;
        if (rows <= SearchRows)
            return weights;
        float[] some = new float[SearchRows * columns];
        for (int i = 0; i < SearchRows; i++)
            weights.AsSpan((int)((long)i * rows / SearchRows) * columns, columns).CopyTo(some.AsSpan(i * columns));
        return some;
    }

    private static float[] Mean(FoldConsumer[] consumers, int count, Func<int, int> scaleOf)
    {
        double[] sums = new double[count];
        foreach (InputStatistics inputs in consumers.Select(consumer => consumer.Inputs).Distinct())
        {
            float[] mean = inputs.MeanAbs;
            for (int i = 0; i < mean.Length; i++)
                sums[scaleOf(i)] += (double)inputs.Count * mean[i];
        }
        return [.. sums.Select(sum => (float)sum)]; // a common factor changes nothing
    }

    private static float[] Scales(float[] mean, float power)
    {
        float largest = mean.Max();
        float[] scales = [.. mean.Select(m => largest > 0 ? MathF.Max(MathF.Pow(m / largest, power), 1e-4f) : 1)];
        float middle = MathF.Sqrt(scales.Max() * scales.Min());
        for (int i = 0; i < scales.Length; i++)
            scales[i] /= middle;
        return scales;
    }

    /// <summary>The errors of rounding scaled rows to nearest, scaled back.</summary>
    private readonly struct RoundJob(float[] weights, int columns, float[] scales, Grid grid, float[] errors) : IParallelJob
    {
        public void Run(int first, int end, int worker)
        {
            float[] scaled = new float[columns];
            for (int row = first; row < end; row++)
            {
                for (int i = 0; i < columns; i++)
                    scaled[i] = weights[row * columns + i] * scales[i];
                Span<float> rounded = errors.AsSpan(row * columns, columns);
                RoundToNearest.Round(scaled, 1, columns, grid).Restore(0, rounded);
                for (int i = 0; i < columns; i++)
                    rounded[i] = weights[row * columns + i] - rounded[i] / scales[i];
            }
        }
    }

    private readonly struct ClipJob(RoundedMatrix result, float[] weights, float[] scales, float[] gram) : IParallelJob
    {
        public void Run(int first, int end, int worker)
        {
            int size = result.Grid.FitSize;
            float[] clipped = new float[size], errors = new float[size];
            for (int row = first; row < end; row++)
            {
                for (int fit = 0; fit < result.FitsInRow; fit++)
                {
                    ReadOnlySpan<float> values = weights.AsSpan(row * result.Columns + fit * size, size);
                    float largest = Int8.Largest(values);
                    (float Limit, double Error) best = (largest, double.PositiveInfinity);
                    for (int clip = 0; clip < Clips; clip++)
                    {
                        float limit = largest * (1 - clip / (2f * Clips));
                        double error = Try(row, fit, values, clipped, errors, limit);
                        if (error < best.Error)
                            best = (limit, error);
                    }
                    Try(row, fit, values, clipped, errors, best.Limit);
                }
            }
        }

        /// <summary>Rounds a fit, and gives its part of the outputs' squared error: e G e^T of its block of the Gram matrix.</summary>
        private double Try(int row, int fit, ReadOnlySpan<float> values, float[] clipped, float[] errors, float limit)
        {
            int start = fit * values.Length;
            for (int i = 0; i < values.Length; i++)
                clipped[i] = Math.Clamp(values[i], -limit, limit);
            result.Fit(row, fit, clipped, []);
            double sum = 0;
            for (int i = 0; i < values.Length; i++)
            {
                errors[i] = (values[i] - result.Round(row, start + i, clipped[i])) / scales[start + i];
                ReadOnlySpan<float> products = gram.AsSpan((start + i) * result.Columns + start, i + 1);
                sum += errors[i] * (2 * Vectors.Dot(products[..i], errors.AsSpan(0, i)) + (double)products[i] * errors[i]);
            }
            return sum;
        }
    }
}
