using System.Runtime.InteropServices;
using Sluice.Cache;
using Sluice.Files;
using Sluice.TestData;
using Sluice.Tensors;
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
    public void Logits_stay_the_same(string name, int pairsInLayer)
    {
        string path = SharedFiles.Shared("golden", "models", name + ".gguf");
        string folded = Path.Combine(Path.GetTempPath(), $"sluice-{Guid.NewGuid():N}.gguf");
        Random random = new(1);
        try
        {
            using (ModelFile file = ModelFile.Open(path))
            {
                FoldedFactors factors = new(file);
                IReadOnlyList<FoldPair> pairs = FoldPair.Find(file);
                Assert.Equal(pairsInLayer, pairs.GroupBy(pair => pair.From.Name.Split('.')[1]).Max(layer => layer.Count()));
                foreach (FoldPair pair in pairs)
                    factors.Fold(pair, [.. Enumerable.Range(0, pair.Experts * pair.Count).Select(_ => 0.5f + random.NextSingle())]);
                Write(file, factors, folded);
            }
            float[] expected = Logits(path), actual = Logits(folded);
            double error = expected.Zip(actual, (e, a) => Math.Abs(e - a)).Max(), size = expected.Max(MathF.Abs);
            output.WriteLine($"{name}: largest difference {error:G3} of {size:G3}");
            Assert.True(error < 2e-3 * size, $"{error} of {size}");
        }
        finally
        {
            File.Delete(folded);
        }
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
            int columns = (int)tensor.Shape[0], experts = FoldPair.Matrices(tensor), rows = values.Length / columns / experts;
            for (int e = 0; e < experts; e++)
                factors.Multiply(tensor.Name, e, rows, 0, values.AsSpan(e * rows * columns, rows * columns), columns);
            writer.Write(tensor.Name, MemoryMarshal.AsBytes(values.AsSpan()));
        }
        writer.Finish();
    }

    private static float[] Logits(string path)
    {
        // Float32 throughout, so that nothing but the order of rounding differs.
        using Runner runner = Runner.Load(path, new EngineOptions { Threads = 2, Context = 64, Sequences = 1, KvFormat = "f32" });
        using SequenceCache sequence = runner.Cache.CreateSequence();
        Assert.True(sequence.TryReserve(16));
        Batch batch = new();
        sequence.Begin(batch);
        for (int i = 0; i < 16; i++)
            batch.Add(3 + 7 * i, wantOutput: true);
        using ScratchScope scope = runner.Ops.Scratch();
        Tensor logits = runner.Forward(batch);
        return [.. Enumerable.Range(0, logits.Rows).SelectMany(row => logits[row].ToArray())];
    }
}
