using System.Globalization;
using System.Text.Json;

namespace Sluice.Cli.Tests.Commands;

public class EmbedTests
{
    [Fact]
    public void Writes_a_line_or_a_row_for_each_text()
    {
        string[] lines = Run("A cat", "A dog").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        float[][] vectors = [.. lines.Select(line => line.Trim().Split(' ').Select(value => float.Parse(value, CultureInfo.InvariantCulture)).ToArray())];
        Assert.Equal(2, vectors.Length);
        Assert.All(vectors, vector => Assert.Equal(1, vector.Sum(value => (double)value * value), 1e-5));
        Assert.NotEqual(vectors[0], vectors[1]);

        using JsonDocument json = JsonDocument.Parse(Run("--json", "A cat", "A dog").Output);
        JsonElement[] rows = [.. json.RootElement.GetProperty("embeddings").EnumerateArray()];
        Assert.Equal(vectors, rows.Select(row => row.GetProperty("embedding").EnumerateArray().Select(value => value.GetSingle()).ToArray()));
        Assert.Equal("A dog", rows[1].GetProperty("text").GetString());
        Assert.NotEqual(lines[0].Trim(), Run("--pooling", "mean", "A cat").Output.Trim());
    }

    private static SluiceProcess.Result Run(params string[] args) =>
        SluiceProcess.Run(["embed", "--model", TestModel.Path, .. args]).Succeeded();
}
