using System.Runtime.InteropServices;
using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Compression.Tests;

/// <summary>Folding any factors into a model leaves its function as it is, for every architecture.</summary>
public class FoldingTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("llama-gqa", 4)]
    [InlineData("llama-mha-256", 4)]
    [InlineData("llama-moe", 4)]
    [InlineData("llama-tied-ropefreqs", 4)]
    [InlineData("qwen2", 4)]
    [InlineData("qwen3", 4)]
    [InlineData("qwen3moe", 4)]
    [InlineData("phi3", 4)]
    [InlineData("gemma2", 4)]
    [InlineData("gemma3", 4)]
    [InlineData("gpt2", 3)]
    [InlineData("gpt-oss", 3)]
    [InlineData("mamba", 1)]
    [InlineData("deepseek2-softmax", 5)]
    [InlineData("deepseek2-sigmoid", 5)]
    public void Logits_stay_the_same(string name, int pairsInLayer) => Check(name, TinyModel.Find(name), pairsInLayer);

    [Fact]
    public void Logits_of_a_mixture_with_a_gated_shared_expert_stay_the_same()
    {
        using TemporaryFolder folder = new();
        TinyQwen2Moe.Write(folder.File("made.gguf"));
        Check("qwen2moe", folder.File("made.gguf"), pairsInLayer: 5);
    }

    private void Check(string name, string path, int pairsInLayer)
    {
        Random random = new(1);
        double difference = TinyModel.Difference(path, folded =>
        {
            using ModelFile file = ModelFile.Open(path);
            FoldedFactors factors = new(file);
            IReadOnlyList<FoldPair> pairs = FoldPair.Find(file);
            Assert.Equal(pairsInLayer, pairs.GroupBy(pair => pair.From.Name.Split('.')[1]).Max(layer => layer.Count()));
            foreach (FoldPair pair in pairs)
                factors.Fold(pair, [.. Enumerable.Range(0, pair.Experts * pair.Count).Select(_ => 0.5f + random.NextSingle())]);
            Write(file, factors, folded);
        });
        output.WriteLine($"{name}: largest difference {difference:G3}");
        Assert.True(difference < 1e-4, $"{difference}");
    }

    private static void Write(ModelFile file, FoldedFactors factors, string path)
    {
        using GgufWriter writer = GgufWriter.Create(path, file.Metadata);
        foreach (TensorInfo tensor in file.Tensors.Values)
            writer.Declare(tensor.Name, TensorType.F32, tensor.Shape);
        foreach (TensorInfo tensor in file.Tensors.Values)
        {
            float[] values = new float[tensor.Count];
            WeightFormats.Get(tensor.Type).Dequantize(tensor.Data.Span(0, (int)tensor.Bytes), values);
            int columns = (int)tensor.Shape[0], experts = MatrixToQuantize.CountOf(tensor), rows = values.Length / columns / experts;
            for (int e = 0; e < experts; e++)
                factors.Multiply(tensor.Name, e, rows, 0, values.AsSpan(e * rows * columns, rows * columns), columns);
            writer.Write(tensor.Name, MemoryMarshal.AsBytes(values.AsSpan()));
        }
        writer.Finish();
    }
}
