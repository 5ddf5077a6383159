using Sluice.Files;
using Sluice.Tensors;

namespace Sluice.Compression;

/// <summary>Finds the largest magnitudes of the inputs of a model's maps on text, for static scales of activations.</summary>
internal static class InputRanges
{
    /// <summary>Runs the calibration text once.</summary>
    /// <param name="file">The model, as it is calibrated on.</param>
    /// <param name="calibrator">What runs it.</param>
    /// <param name="method">How it will be quantized: where factors are folded, inputs will be divided by them.</param>
    public static ActivationRanges Measure(ModelFile file, Calibrator calibrator, ITensorQuantizer method)
    {
        OrderedDictionary<string, (IReadOnlyList<string> Names, float[][] Largest)> maps = []; // [experts][columns]
        calibrator.Observe("Measuring activations", (in LinearInputs inputs) =>
        {
            string name = inputs.Names[0];
            if (!MatrixInputs.IsOfLayer(name, file))
                return;
            if (!maps.TryGetValue(name, out (IReadOnlyList<string> Names, float[][] Largest) map))
            {
                int columns = inputs.Weight.Columns;
                maps.Add(name, map = (inputs.Names, [.. Enumerable.Range(0, inputs.Weight.Experts).Select(_ => new float[columns])]));
            }
            for (int row = 0; row < inputs.X.Rows; row++)
            {
                foreach (int expert in inputs.Experts(row))
                    Add(inputs.X[row], map.Largest[expert]);
            }
        });
        OrderedDictionary<string, float> ranges = [];
        foreach ((IReadOnlyList<string> names, float[][] largest) in maps.Values)
        {
            foreach (string name in names)
            {
                float range = Range(name, largest, method as FoldingQuantizer);
                // Experts that no token chose, or inputs that are always zero, have none.
                if (range > 0)
                    ranges.Add(name, range);
            }
        }
        return new ActivationRanges(ranges, file.Path);
    }

    private static void Add(ReadOnlySpan<float> inputs, float[] largest)
    {
        for (int i = 0; i < largest.Length; i++)
            largest[i] = MathF.Max(largest[i], MathF.Abs(inputs[i]));
    }

    private static float Range(string name, float[][] largest, FoldingQuantizer? folding)
    {
        float range = 0;
        for (int expert = 0; expert < largest.Length; expert++)
        {
            ReadOnlySpan<float> factors = folding is null ? [] : folding.ColumnsOf(name, expert, largest[expert].Length);
            for (int i = 0; i < largest[expert].Length; i++)
                range = MathF.Max(range, factors.IsEmpty ? largest[expert][i] : largest[expert][i] / factors[i]);
        }
        return range;
    }
}
