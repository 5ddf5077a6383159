using Sluice.Tensors.Cpu;

namespace Sluice.Compression;

/// <summary>How activations of a W8A8 map are rounded to int8.</summary>
public enum ActivationRounding
{
    /// <summary>With a scale for each token, found as it comes.</summary>
    PerToken,

    /// <summary>With one scale, found in calibration.</summary>
    PerTensor,

    /// <summary>With a scale for each 32 values of a token, as Sluice's integer kernels do.</summary>
    PerGroup,
}

/// <summary>
/// SmoothQuant (Xiao et al. 2022): divides the columns of the inputs that have outliers, and multiplies the weights' columns alike, so
/// that both round well to int8. Column j's factor is max|x_j|^alpha / max|w_j|^(1 - alpha).
/// </summary>
public static class SmoothQuant
{
    private const int Steps = 20, GroupSize = 32;

    /// <summary>Searches the migration strength alpha.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="weights">[rows, columns]: of all matrices that meet the same inputs.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="inputs">The calibration inputs, by whose samples the outputs' errors are measured.</param>
    /// <param name="rounding">How activations will be rounded.</param>
    /// <returns>What each column is to be multiplied by, alpha, and the outputs' error as a share of their squares.</returns>
    public static (float[] Scales, float Alpha, double Error) Search(
        WorkerPool pool, float[] weights, int columns, InputStatistics inputs, ActivationRounding rounding)
    {
        float[] exact = Outputs(pool, inputs.Samples, weights, columns);
        (float[] Scales, float Alpha, double Error) best = ([], 0, double.PositiveInfinity);
        for (int i = 0; i <= Steps; i++)
        {
            float alpha = (float)i / Steps;
            float[] scales = Scales(inputs.MaxAbs, weights, alpha);
            double error = Error(pool, weights, columns, inputs, scales, rounding, exact);
            if (error < best.Error)
                best = (scales, alpha, error);
        }
        return double.IsFinite(best.Error) ? best : throw new InvalidDataException("Calibration inputs or weights are not finite.");
    }

    /// <summary>What the columns are multiplied by for a migration strength.</summary>
    /// <param name="maxAbs">The largest magnitude of each input.</param>
    /// <param name="weights">[rows, columns].</param>
    /// <param name="alpha">From 0 (all of the difficulty stays with the activations) to 1.</param>
    public static float[] Scales(float[] maxAbs, float[] weights, float alpha)
    {
        int columns = maxAbs.Length;
        float[] largest = new float[columns], scales = new float[columns];
        for (int i = 0; i < weights.Length; i++)
            largest[i % columns] = MathF.Max(largest[i % columns], MathF.Abs(weights[i]));
        for (int i = 0; i < columns; i++)
        {
            float scale = MathF.Pow(MathF.Max(maxAbs[i], 1e-5f), alpha) / MathF.Pow(MathF.Max(largest[i], 1e-5f), 1 - alpha);
            scales[i] = Math.Clamp(scale, 1e-5f, 1e5f);
        }
        return scales;
    }

    /// <summary>The error of the outputs of int8 weights and activations, as a share of their squares, on the inputs' samples.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="weights">[rows, columns], not yet scaled.</param>
    /// <param name="columns">Inputs.</param>
    /// <param name="inputs">The inputs, not yet scaled.</param>
    /// <param name="scales">What each column is multiplied by.</param>
    /// <param name="rounding">How activations are rounded.</param>
    public static double Error(
        WorkerPool pool, float[] weights, int columns, InputStatistics inputs, float[] scales, ActivationRounding rounding) =>
        Error(pool, weights, columns, inputs, scales, rounding, Outputs(pool, inputs.Samples, weights, columns));

    private static double Error(
        WorkerPool pool, float[] weights, int columns, InputStatistics inputs, float[] scales, ActivationRounding rounding, float[] exact)
    {
        float[] w = [.. weights], x = [.. inputs.Samples];
        float largest = 0;
        for (int i = 0; i < columns; i++)
            largest = MathF.Max(largest, inputs.MaxAbs[i] / scales[i]);
        int group = rounding == ActivationRounding.PerGroup ? GroupSize : columns;
        for (int start = 0; start < w.Length; start += columns)
        {
            for (int i = 0; i < columns; i++)
                w[start + i] *= scales[i];
            for (int i = 0; i < columns; i += group)
                Int8.Round(w.AsSpan(start + i, Math.Min(group, columns - i)));
        }
        for (int start = 0; start < x.Length; start += columns)
        {
            for (int i = 0; i < columns; i++)
                x[start + i] /= scales[i];
            for (int i = 0; i < columns; i += group)
                Int8.Round(x.AsSpan(start + i, Math.Min(group, columns - i)), rounding == ActivationRounding.PerTensor ? largest : float.NaN);
        }
        float[] outputs = Outputs(pool, x, w, columns);
        double error = 0, power = 0;
        for (int i = 0; i < outputs.Length; i++)
        {
            double difference = outputs[i] - exact[i];
            error += difference * difference;
            power += (double)exact[i] * exact[i];
        }
        return error / power;
    }

    /// <summary>X W^T.</summary>
    private static float[] Outputs(WorkerPool pool, float[] x, float[] weights, int columns)
    {
        (int tokens, int rows) = (x.Length / columns, weights.Length / columns);
        float[] outputs = new float[tokens * rows];
        DenseProduct.Add(
            pool, 1, new MatrixView(x, tokens, columns, columns), new MatrixView(weights, rows, columns, columns).Transposed, outputs, rows);
        return outputs;
    }
}
