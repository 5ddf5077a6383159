using Sluice.Tensors.Cpu;

namespace Sluice.Compression;

/// <summary>
/// What the methods need to know of a matrix's calibration inputs, whose number does not matter to its size: their Gram matrix, the mean
/// and the largest magnitude of each column, and some of them as they were.
/// </summary>
public sealed class InputStatistics
{
    private readonly int _sampleRows;
    private readonly double[] _sumAbs;
    private readonly float[] _samples;

    /// <summary>Of no inputs yet.</summary>
    /// <param name="columns">Their width.</param>
    /// <param name="samples">How many are kept as they were.</param>
    public InputStatistics(int columns, int samples = 0)
    {
        (Columns, _sampleRows) = (columns, samples);
        _samples = new float[checked(samples * columns)];
        Gram = new float[checked(columns * columns)];
        _sumAbs = new double[columns];
        MaxAbs = new float[columns];
    }

    /// <summary>The inputs' width.</summary>
    public int Columns { get; }

    /// <summary>How many inputs were seen.</summary>
    public long Count { get; private set; }

    /// <summary>X^T X [columns, columns], of which the lower triangle is meant.</summary>
    public float[] Gram { get; }

    /// <summary>The largest magnitude of each column.</summary>
    public float[] MaxAbs { get; }

    /// <summary>The mean magnitude of each column.</summary>
    public float[] MeanAbs => [.. _sumAbs.Select(sum => Count == 0 ? 0 : (float)(sum / Count))];

    /// <summary>Inputs as they were [rows, columns], from all over the text.</summary>
    public float[] Samples => Count < _sampleRows ? _samples[..((int)Count * Columns)] : _samples;

    /// <summary>The bytes that statistics of such a width take.</summary>
    public static long Bytes(int columns, int samples = 0) => ((long)columns + samples) * columns * sizeof(float);

    /// <summary>Adds inputs.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="inputs">[rows, columns].</param>
    public void Add(WorkerPool pool, ReadOnlySpan<float> inputs)
    {
        int rows = inputs.Length / Columns;
        MatrixView x = new(inputs, rows, Columns, Columns);
        DenseProduct.Add(pool, 1, x.Transposed, x, Gram, Columns, lowerOnly: true);
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> values = inputs.Slice(row * Columns, Columns);
            for (int i = 0; i < Columns; i++)
            {
                float magnitude = MathF.Abs(values[i]);
                _sumAbs[i] += magnitude;
                MaxAbs[i] = MathF.Max(MaxAbs[i], magnitude);
            }
            Sample(Count + row, values);
        }
        Count += rows;
    }

    /// <summary>The first rows are kept; then each replaces an older one as often as makes all equally likely to stay.</summary>
    private void Sample(long number, ReadOnlySpan<float> values)
    {
        if (_sampleRows == 0)
            return;
        long place = number;
        if (number >= _sampleRows)
            place = (long)((ulong)number * 0x9E3779B97F4A7C15 % (ulong)(number + 1)); // a fixed choice, as any random one
        if (place < _sampleRows)
            values.CopyTo(_samples.AsSpan((int)place * Columns));
    }
}
