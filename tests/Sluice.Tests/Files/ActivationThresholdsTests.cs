using Sluice.Files;

namespace Sluice.Tests.Files;

public class ActivationThresholdsTests
{
    private static readonly float[] Levels = [0.25f, 0.5f];

    [Fact]
    public void What_is_written_is_read()
    {
        Metadata metadata = new("a file");
        Assert.Null(ActivationThresholds.Read(metadata));
        Make().WriteTo(metadata);
        Make().WriteTo(metadata); // in place of the first
        ActivationThresholds read = ActivationThresholds.Read(metadata)!;
        Assert.Equal(0.5f, read.Level);
        Assert.Equal(0.5f, read.HighestLevel);
        Assert.Equal(["a", "b"], read.Tensors);
        Assert.Equal(1, read.ThresholdOf("a", 0.25f));
        Assert.Equal(3, read.ThresholdOf("a", 0.5f));
        Assert.Equal(0.4f, read.ShareOf("b", 0.5f));
    }

    [Fact]
    public void Between_two_levels_thresholds_are_between_theirs()
    {
        ActivationThresholds thresholds = Make();
        Assert.Equal(0, thresholds.ThresholdOf("a", 0));
        Assert.Equal(0.4f, thresholds.ThresholdOf("a", 0.1f), 1e-6f);
        Assert.Equal(2, thresholds.ThresholdOf("a", 0.375f), 1e-6f);
        Assert.Equal(0, thresholds.ThresholdOf("of no map", 0.5f));
        foreach (float level in (float[])[-0.1f, 0.51f, float.NaN])
            Assert.Throws<ArgumentException>(() => thresholds.ThresholdOf("a", level));
    }

    [Theory]
    [InlineData("level", 0.9f)]
    [InlineData("level", -1f)]
    [InlineData("levels", new[] { 0.5f, 0.25f })]
    [InlineData("levels", new[] { 0.5f, 1f })]
    [InlineData("levels", new[] { 0.25f })]
    [InlineData("levels", new float[0])]
    [InlineData("tensors", new[] { "a" })]
    [InlineData("tensors", new[] { "a", "a" })]
    [InlineData("thresholds", new[] { 1f, 3, 1 })]
    [InlineData("thresholds", new[] { 1f, 3, 1, 2, 3 })]
    [InlineData("thresholds", new[] { 3f, 1, 1, 2 })]
    [InlineData("thresholds", new[] { 1f, float.NaN, 1, 2 })]
    [InlineData("thresholds", new[] { -1f, 3, 1, 2 })]
    [InlineData("shares", new[] { 0.1f, 0.2f })]
    [InlineData("shares", new[] { 0.1f, 0.2f, 0.3f, 2f })]
    [InlineData("thresholds", "text")]
    public void Damaged_ones_are_refused(string key, object value)
    {
        Metadata metadata = new("damaged.gguf");
        Make().WriteTo(metadata);
        metadata["sluice.activation_sparsity." + key] = value switch
        {
            float number => number,
            float[] numbers => numbers,
            string[] names => names,
            _ => (string)value,
        };
        string message = Assert.Throws<InvalidDataException>(() => ActivationThresholds.Read(metadata)).Message;
        Assert.Contains("damaged.gguf", message);
    }

    [Fact]
    public void A_missing_part_is_named()
    {
        Metadata metadata = new("damaged.gguf");
        Make().WriteTo(metadata);
        metadata.Remove("sluice.activation_sparsity.shares");
        Assert.Contains("sluice.activation_sparsity.shares", Assert.Throws<InvalidDataException>(() => ActivationThresholds.Read(metadata)).Message);
    }

    private static ActivationThresholds Make() =>
        new(0.5f, Levels, new() { ["a"] = ([1, 3], [0.25f, 0.5f]), ["b"] = ([1, 2], [0.2f, 0.4f]) });
}
