using System.Runtime.InteropServices;
using System.Text.Json;
using Sluice.Tensors.Cpu;
using Sluice.TestData;

namespace Sluice.Compression.Tests;

/// <summary>A layer of tests/data, with its calibration inputs and the errors that published code reaches.</summary>
internal sealed class GoldenLayer
{
    public GoldenLayer(string folder)
    {
        Index = JsonDocument.Parse(File.ReadAllText(SharedFiles.Data(folder, "index.json"))).RootElement;
        (Rows, Columns) = (Index.GetProperty("rows").GetInt32(), Index.GetProperty("cols").GetInt32());
        Weights = Read(folder, "w.f32");
        Inputs = Read(folder, "x.f32");
        Gram = new float[Columns * Columns];
        int samples = Inputs.Length / Columns;
        MatrixView x = new(Inputs, samples, Columns, Columns);
        DenseProduct.Add(Pool, 1, x.Transposed, x, Gram, Columns, lowerOnly: true);
    }

    public WorkerPool Pool { get; } = new(2);

    public JsonElement Index { get; }

    public int Rows { get; }

    public int Columns { get; }

    public float[] Weights { get; }

    public float[] Inputs { get; }

    public float[] Gram { get; }

    /// <summary>The statistics of the inputs, of which samples are kept from the first rows on.</summary>
    public InputStatistics Statistics(bool samples = false)
    {
        InputStatistics statistics = new(Columns, samples ? Inputs.Length / Columns : 0);
        statistics.Add(Pool, Inputs);
        return statistics;
    }

    /// <summary>||X W^T - Y||^2 / ||X W^T||^2, in plain double arithmetic, for outputs of other weights and inputs.</summary>
    public double OutputError(float[] weights, float[]? inputs = null)
    {
        double error = 0, power = 0;
        inputs ??= Inputs;
        for (int t = 0; t < Inputs.Length / Columns; t++)
        {
            for (int r = 0; r < Rows; r++)
            {
                double expected = 0, actual = 0;
                for (int i = 0; i < Columns; i++)
                {
                    expected += (double)Weights[r * Columns + i] * Inputs[t * Columns + i];
                    actual += (double)weights[r * Columns + i] * inputs[t * Columns + i];
                }
                error += (expected - actual) * (expected - actual);
                power += expected * expected;
            }
        }
        return error / power;
    }

    private static float[] Read(string folder, string name) =>
        MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(SharedFiles.Data(folder, name))).ToArray();
}
