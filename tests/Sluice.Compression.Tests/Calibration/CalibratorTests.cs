using Sluice.Tensors;

namespace Sluice.Compression.Tests;

public class CalibratorTests
{
    private static readonly string Text = string.Join(' ', Enumerable.Range(0, 400).Select(i => i % 7 == 0 ? "once" : $"upon {i * i}"));

    /// <summary>The text goes through one layer after the other, and each meets the very inputs that it has when the whole model runs.</summary>
    [Theory]
    [InlineData("llama-gqa")]
    [InlineData("llama-moe")]
    [InlineData("gemma2")]
    [InlineData("gpt2")]
    [InlineData("gpt-oss")]
    [InlineData("deepseek2-sigmoid")]
    [InlineData("mamba")]
    public void Inputs_of_layers_are_those_of_the_whole_model(string name)
    {
        using Calibrator calibrator = Load(name, new CalibrationOptions());
        Dictionary<string, float[][]> expected = [];
        calibrator.Observe("all", (in LinearInputs inputs) =>
        {
            (int columns, int experts) = (inputs.Weight.Columns, inputs.Weight.Experts);
            foreach (string tensor in inputs.Names)
            {
                if (!expected.TryGetValue(tensor, out float[][]? largest))
                    expected.Add(tensor, largest = [.. Enumerable.Range(0, experts).Select(_ => new float[columns])]);
                for (int row = 0; row < inputs.X.Rows; row++)
                {
                    foreach (int expert in inputs.Experts(row))
                    {
                        for (int i = 0; i < columns; i++)
                            largest[expert][i] = MathF.Max(largest[expert][i], MathF.Abs(inputs.X[row][i]));
                    }
                }
            }
        });
        string[] ofLayers = [.. calibrator.Tensors.Where(tensor => tensor.StartsWith("blk.", StringComparison.Ordinal))];
        Assert.True(ofLayers.Length > 4);
        // Forwards, and then back.
        foreach (string tensor in ofLayers.Concat(ofLayers.Reverse()))
        {
            for (int expert = 0; expert < expected[tensor].Length; expert++)
                Assert.Equal(expected[tensor][expert], calibrator.Find(tensor, expert)!.MaxAbs);
        }
    }

    [Fact]
    public void Neither_memory_nor_the_order_of_questions_changes_statistics()
    {
        using Calibrator usual = Load("llama-moe", new CalibrationOptions()), little = Load("llama-moe", new CalibrationOptions { Memory = 1 });
        string[] tensors = [.. usual.Tensors];
        Assert.Contains(tensors, tensor => !tensor.StartsWith("blk.", StringComparison.Ordinal)); // the output map
        Dictionary<string, float[]> grams = tensors.ToDictionary(tensor => tensor, tensor => usual.Find(tensor)!.Gram);
        foreach (string tensor in tensors.Reverse())
        {
            Assert.Equal(Lower(grams[tensor], usual.Find(tensor)!.Columns), Lower(little.Find(tensor)!.Gram, usual.Find(tensor)!.Columns));
            Assert.True(little.Find(tensor)!.Count > 0);
        }
    }

    private static float[] Lower(float[] gram, int columns) =>
        [.. Enumerable.Range(0, columns).SelectMany(row => gram.AsSpan(row * columns, row + 1).ToArray())];

    private static Calibrator Load(string name, CalibrationOptions options) =>
        new(TinyModel.Find(name), Text, options with { Tokens = 160, ChunkLength = 40, Threads = 2 });
}
