using Sluice.Files;
using Sluice.Tensors.Cpu;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>
/// What rounding a tensor does to its outputs on calibration text: trace(E H E^T) with the errors E and the Gram matrix H of the inputs; of an
/// embedding table, the squared errors of its rows as often as their tokens occur. Found on some rows, evenly chosen.
/// </summary>
internal sealed class RoundingError(Calibrator calibrator, ITensorQuantizer method, QuantizationOptions options)
{
    private const int MostRows = 512, LeastRowsOfExpert = 32;

    private readonly Lazy<long[]> _tokens = new(calibrator.CountTokens);

    /// <summary>The error with each format, in units that are the same for all formats of a tensor.</summary>
    /// <exception cref="InvalidDataException">A weight is no finite number; the message names the tensor.</exception>
    public double[] Of(TensorInfo tensor, IReadOnlyList<WeightFormat> formats)
    {
        double[] errors = new double[formats.Count];
        foreach (MatrixToQuantize matrix in MatrixToQuantize.Of(tensor, formats[0], options.Importance?.Find(tensor) ?? default(ReadOnlyMemory<float>)))
        {
            (int rows, int columns) = (matrix.Rows, matrix.Columns);
            InputStatistics? inputs = calibrator.Find(tensor.Name, matrix.Expert);
            bool isTable = inputs is null && tensor.Name == FoldRules.Embedding;
            int[] chosen = Choose(
                isTable ? [.. Enumerable.Range(0, rows).Where(row => _tokens.Value[row] > 0)] : [.. Enumerable.Range(0, rows)],
                MatrixToQuantize.CountOf(tensor));
            for (int i = 0; i < errors.Length; i++)
            {
                float[] error = Round(matrix with { Format = formats[i] }, chosen);
                errors[i] += inputs is not null
                    ? OutputError.Of(calibrator.Pool, error, chosen.Length, columns, inputs.Gram)
                    : chosen.Index().Sum(row => (isTable ? _tokens.Value[row.Item] : 1.0) * Vectors.Squares(error.AsSpan(row.Index * columns, columns)));
            }
        }
        return errors;
    }

    private static int[] Choose(int[] rows, int experts)
    {
        int count = Math.Min(rows.Length, Math.Max(MostRows / experts, LeastRowsOfExpert));
        return [.. Enumerable.Range(0, count).Select(i => rows[(int)((long)rows.Length * i / count)])];
    }

    private float[] Round(MatrixToQuantize matrix, int[] rows)
    {
        int columns = matrix.Columns;
        float[] errors = new float[rows.Length * columns];
        using IMatrixQuantizer quantizer = method.Begin(matrix);
        MatrixRows.For<byte>(rows.Length, MatrixRows.Threads(options.Threads, default), checked((int)matrix.Format.Bytes(columns)), (i, bytes) =>
        {
            Span<float> error = errors.AsSpan(i * columns, columns);
            matrix.Tensor.Dequantize((long)matrix.Expert * matrix.Rows + rows[i], error);
            WeightCheck.Check(error, matrix, rows[i]);
            float[] values = error.ToArray();
            quantizer.Quantize(rows[i], values, bytes.Span);
            matrix.Format.Dequantize(bytes.Span, values);
            for (int column = 0; column < columns; column++)
                error[column] -= values[column];
        });
        return errors;
    }
}
