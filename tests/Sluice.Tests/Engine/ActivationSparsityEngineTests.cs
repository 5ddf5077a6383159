using Sluice.Files;
using Sluice.TestData;

namespace Sluice.Tests.Engine;

/// <summary>A model whose small activations count as zero.</summary>
public class ActivationSparsityEngineTests
{
    [Theory]
    [InlineData("models/stories260K-w256-hd64-Q8_0.gguf")]
    [InlineData("models/stories260K-w256-hd64-Q4_K_M.gguf")]
    [InlineData("models/stories260K-moe8x2-w256-hd64-f32.gguf")]
    [InlineData("golden/models/deepseek2-sigmoid.gguf")]
    public void Chunks_and_batches_change_nothing(string model)
    {
        string path = SharedFiles.Shared(model.Split('/'));
        float[][] dense = Run(path, null, chunk: 24, sequences: 1), whole = Run(path, Thresholds(path), chunk: 24, sequences: 1);
        Assert.NotEqual(dense[^1], whole[^1]);
        // Token by token (which leaves columns unread), a few at a time, and beside other sequences.
        foreach ((int chunk, int sequences) in ((int, int)[])[(1, 1), (3, 1), (7, 1), (1, 3), (1, 9), (24, 2)])
            Assert.Equal(whole, Run(path, Thresholds(path), chunk, sequences));
    }

    [Fact]
    public void None_is_the_model_itself()
    {
        string path = SharedFiles.Shared("models", "stories260K-w256-hd64-Q8_0.gguf");
        Assert.Equal(Run(path, null, 1, 1), Run(path, Thresholds(path), 1, 1, sparsity: 0));
    }

    [Fact]
    public void Thresholds_are_needed_and_must_be_of_the_model()
    {
        string path = SharedFiles.Data("models", "llama-gqa.gguf");
        Assert.Contains("sluice sparsify", Assert.Throws<InvalidDataException>(() => Run(path, null, 1, 1, sparsity: 0.5f)).Message);
        ActivationThresholds others = new(0.5f, [0.5f], new() { ["blk.77.ffn_up.weight"] = ([1], [0.5f]) });
        Assert.Contains("blk.77.ffn_up.weight", Assert.Throws<InvalidDataException>(() => Run(path, others, 1, 1)).Message);
        Assert.Contains("0.9", Assert.Throws<ArgumentException>(() => Run(path, Thresholds(path), 1, 1, sparsity: 0.9f)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => Run(path, Thresholds(path), 1, 1, sparsity: 1));
    }

    /// <summary>For each layer's maps (but no router), a threshold that leaves about half of normed inputs.</summary>
    internal static ActivationThresholds Thresholds(string path)
    {
        using ModelFile file = ModelFile.Open(path);
        OrderedDictionary<string, (float[], float[])> maps = [];
        foreach (TensorInfo tensor in file.Tensors.Values)
        {
            // A router, and what latent attention absorbs.
            string[] others = ["ffn_gate_inp", "attn_kv_b"];
            if (tensor.Name.StartsWith("blk.", StringComparison.Ordinal) && tensor.Shape.Length > 1 && !others.Any(tensor.Name.Contains))
                maps.Add(tensor.Name, ([tensor.Name.Contains("down", StringComparison.Ordinal) ? 0.05f : 0.3f], [0.5f]));
        }
        return new ActivationThresholds(0.5f, [0.5f], maps);
    }

    private static float[][] Run(string path, ActivationThresholds? thresholds, int chunk, int sequences, float? sparsity = null) =>
        ChunkedRun.Logits(path, chunk, sequences, new EngineOptions { Threads = 2, Thresholds = thresholds, ActivationSparsity = sparsity });
}
