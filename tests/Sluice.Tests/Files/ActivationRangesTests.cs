using Sluice.Files;

namespace Sluice.Tests.Files;

public class ActivationRangesTests
{
    private const string Prefix = "sluice.activation_range.";

    [Fact]
    public void What_is_written_is_read()
    {
        Metadata metadata = new("a file");
        Assert.Null(ActivationRanges.Read(metadata));
        Make().WriteTo(metadata);
        Make().WriteTo(metadata); // in place of the first
        ActivationRanges read = ActivationRanges.Read(metadata)!;
        Assert.Equal(["a", "b"], read.Maps);
        Assert.Equal(1.5f, read.Of("a"));
        Assert.Equal(20, read.Of("b"));
        Assert.Equal(0, read.Of("of no map"));
        ActivationRanges.Remove(metadata);
        Assert.Empty(metadata);
    }

    [Theory]
    [InlineData("largest", new[] { 1f })]
    [InlineData("largest", new[] { 1f, 2, 3 })]
    [InlineData("largest", new[] { 1f, 0 })]
    [InlineData("largest", new[] { 1f, -1 })]
    [InlineData("largest", new[] { float.NaN, 1 })]
    [InlineData("largest", new[] { float.PositiveInfinity, 1 })]
    [InlineData("tensors", new[] { "a", "a" })]
    [InlineData("tensors", new string[0])]
    [InlineData("largest", "text")]
    public void Damaged_ones_are_refused(string key, object value)
    {
        Metadata metadata = new("damaged.gguf");
        Make().WriteTo(metadata);
        metadata[Prefix + key] = value switch
        {
            float[] numbers => numbers,
            string[] names => names,
            _ => (string)value,
        };
        Assert.Contains("damaged.gguf", Assert.Throws<InvalidDataException>(() => ActivationRanges.Read(metadata)).Message);
    }

    [Fact]
    public void A_missing_part_is_named()
    {
        Metadata metadata = new("damaged.gguf");
        Make().WriteTo(metadata);
        metadata.Remove(Prefix + "largest");
        Assert.Contains(Prefix + "largest", Assert.Throws<InvalidDataException>(() => ActivationRanges.Read(metadata)).Message);
    }

    private static ActivationRanges Make() => new(new() { ["a"] = 1.5f, ["b"] = 20 });
}
