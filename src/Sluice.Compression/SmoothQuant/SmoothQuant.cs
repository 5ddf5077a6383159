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
    /// <param name="weights">[rows, columns].</param>
    /// <param name="inputs">The calibration inputs, by whose samples the outputs' errors are measured.</param>
    /// <param name="rounding">How activations will be rounded.</param>
    /// <returns>What each column is to be multiplied by, alpha, and the outputs' error as a share of their squares.</returns>
    /// <exception cref="InvalidDataException">Inputs or weights are not finite.</exception>
    public static (float[] Scales, float Alpha, double Error) Search(
        WorkerPool pool, float[] weights, InputStatistics inputs, ActivationRounding rounding) =>
        Search(pool, [new FoldConsumer(inputs, null, () => weights)], inputs.Columns, column => column, rounding);

    /// <summary>The same for several matrices that share their columns' scales.</summary>
    internal static (float[] Scales, float Alpha, double Error) Search(
        WorkerPool pool, FoldConsumer[] consumers, int count, Func<int, int> scaleOf, ActivationRounding rounding)
    {
        float[] inputs = new float[count], weights = new float[count];
        foreach (FoldConsumer consumer in consumers)
        {
            int columns = consumer.Inputs.Columns;
            float[] all = consumer.Load();
            for (int i = 0; i < columns; i++)
                inputs[scaleOf(i)] = MathF.Max(inputs[scaleOf(i)], consumer.Inputs.MaxAbs[i]);
            for (int i = 0; i < all.Length; i++)
                weights[scaleOf(i % columns)] = MathF.Max(weights[scaleOf(i % columns)], MathF.Abs(all[i]));
        }
        float[][] scales = [.. Enumerable.Range(0, Steps + 1).Select(i => Scales(inputs, weights, (float)i / Steps))];
        double[] errors = new double[scales.Length];
        double power = 0;
        foreach (FoldConsumer consumer in consumers)
        {
            float[] all = consumer.Load(), exact = Outputs(pool, consumer.Inputs.Samples, all, consumer.Inputs.Columns);
            power += Vectors.Squares(exact);
            for (int i = 0; i < scales.Length; i++)
            {
                float[] across = [.. Enumerable.Range(0, consumer.Inputs.Columns).Select(column => scales[i][scaleOf(column)])];
                errors[i] += SquaredError(pool, all, consumer.Inputs, across, rounding, exact);
            }
        }
        int best = Array.IndexOf(errors, errors.Min());
        return double.IsFinite(errors[best])
            ? (scales[best], (float)best / Steps, errors[best] / power)
            : throw new InvalidDataException("Calibration inputs or weights are not finite.");
    }

    /// <summary>What the columns are multiplied by for a migration strength.</summary>
    /// <param name="inputs">The largest magnitude of each column's inputs.</param>
    /// <param name="weights">The largest magnitude of each column's weights.</param>
    /// <param name="alpha">From 0 (all of the difficulty stays with the activations) to 1.</param>
    public static float[] Scales(float[] inputs, float[] weights, float alpha)
    {
        float[] scales = new float[inputs.Length];
        for (int i = 0; i < scales.Length; i++)
        {
            float scale = MathF.Pow(MathF.Max(inputs[i], 1e-5f), alpha) / MathF.Pow(MathF.Max(weights[i], 1e-5f), 1 - alpha);
            scales[i] = Math.Clamp(scale, 1e-5f, 1e5f);
        }
        return scales;
    }

    /// <summary>The error of the outputs of int8 weights and activations, as a share of their squares, on the inputs' samples.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="weights">[rows, columns], not yet scaled.</param>
    /// <param name="inputs">The inputs, not yet scaled.</param>
    /// <param name="scales">What each column is multiplied by.</param>
    /// <param name="rounding">How activations are rounded.</param>
    public static double Error(WorkerPool pool, float[] weights, InputStatistics inputs, float[] scales, ActivationRounding rounding)
    {
        float[] exact = Outputs(pool, inputs.Samples, weights, inputs.Columns);
        return SquaredError(pool, weights, inputs, scales, rounding, exact) / Vectors.Squares(exact);
    }

    private static double SquaredError(
        WorkerPool pool, float[] weights, InputStatistics inputs, float[] scales, ActivationRounding rounding, float[] exact)
    {
        int columns = inputs.Columns, group = rounding == ActivationRounding.PerGroup ? GroupSize : columns;
        float[] w = [.. weights], x = [.. inputs.Samples];
        float largest = 0;
        for (int i = 0; i < columns; i++)
            largest = MathF.Max(largest, inputs.MaxAbs[i] / scales[i]);
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
        double error = 0;
        for (int i = 0; i < outputs.Length; i++)
        {
            double difference = outputs[i] - exact[i];
            error += difference * difference;
        }
        return error;
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
