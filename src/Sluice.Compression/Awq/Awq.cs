using Sluice.Tensors.Cpu;

namespace Sluice.Compression;

/// <summary>
/// AWQ (Lin et al. 2023): columns that meet large inputs are scaled up before rounding, and their inputs down, so that their weights lose
/// less; how far is a search over the outputs' error. Then a search clips the range of each group.
/// </summary>
public static class Awq
{
    private const int Ratios = 20, Clips = 10;

    /// <summary>Searches the scales of the columns: the inputs' mean magnitudes to a power between 0 (all 1) and 1.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="weights">[rows, columns]: of all matrices that meet the same inputs.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="inputs">The calibration inputs.</param>
    /// <param name="grid">What the weights will be rounded to.</param>
    /// <returns>What each column is to be multiplied by, the power, and the error of the outputs in the Gram matrix's units.</returns>
    public static (float[] Scales, float Power, double Error) SearchScales(
        WorkerPool pool, float[] weights, int columns, InputStatistics inputs, Grid grid)
    {
        float[] mean = inputs.MeanAbs, errors = new float[weights.Length];
        (float[] Scales, float Power, double Error) best = ([], 0, double.PositiveInfinity);
        for (int i = 0; i < Ratios; i++)
        {
            float power = (float)i / Ratios;
            float[] scales = Scales(mean, power);
            pool.For(weights.Length / columns, new RoundJob(weights, columns, scales, grid, errors));
            double error = OutputError.Of(pool, errors, weights.Length / columns, columns, inputs.Gram);
            if (error < best.Error)
                best = (scales, power, error);
        }
        return double.IsFinite(best.Error) ? best : throw new InvalidDataException("Calibration inputs or weights are not finite.");
    }

    /// <summary>Rounds scaled weights, clipping the range of each group as far as its part of the outputs gets better.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="weights">[rows, columns], not yet scaled.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="scales">What each column is multiplied by.</param>
    /// <param name="gram">X^T X of the inputs, not yet scaled, of which the lower triangle is read.</param>
    /// <param name="grid">What to.</param>
    /// <returns>The scaled weights, rounded.</returns>
    public static RoundedMatrix Round(WorkerPool pool, float[] weights, int columns, float[] scales, float[] gram, Grid grid)
    {
        RoundedMatrix result = new(grid, weights.Length / columns, columns);
        pool.For(result.Rows, new ClipJob(result, weights, scales, gram));
        return result;
    }

    private static float[] Scales(float[] mean, float power)
    {
        float[] scales = [.. mean.Select(m => MathF.Max(MathF.Pow(m, power), 1e-4f))];
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
            (int columns, int size) = (result.Columns, result.Grid.FitSize);
            float[] values = new float[size], clipped = new float[size], errors = new float[size];
            for (int row = first; row < end; row++)
            {
                for (int fit = 0; fit < result.FitsInRow; fit++)
                {
                    for (int i = 0; i < size; i++)
                        values[i] = weights[row * columns + fit * size + i] * scales[fit * size + i];
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
        private double Try(int row, int fit, float[] values, float[] clipped, float[] errors, float limit)
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
