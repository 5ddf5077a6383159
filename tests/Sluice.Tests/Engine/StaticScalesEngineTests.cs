using Sluice.Files;
using Sluice.Tensors;
using Sluice.TestData;

namespace Sluice.Tests.Engine;

/// <summary>A model whose activations have static scales.</summary>
public class StaticScalesEngineTests
{
    [Theory]
    [InlineData("models/stories260K-w256-hd64-Q8_0.gguf", ActivationPrecision.Int8Static)]
    [InlineData("models/stories260K-w256-hd64-Q4_K_M.gguf", ActivationPrecision.Int8Static)]
    [InlineData("models/stories260K-w256-hd64-Q4_K_M.gguf", ActivationPrecision.FP8Static)]
    [InlineData("models/stories260K-moe8x2-w256-hd64-f32.gguf", ActivationPrecision.FP8Static)]
    [InlineData("golden/models/deepseek2-sigmoid.gguf", ActivationPrecision.Int8Static)]
    public void Chunks_batches_and_threads_change_nothing(string model, ActivationPrecision activations)
    {
        using TemporaryFolder folder = new();
        string path = WithRanges(SharedFiles.Shared(model.Split('/')), folder["ranged.gguf"]);
        float[][] whole = Run(path, activations, chunk: 24, sequences: 1, threads: 1);
        Assert.NotEqual(Run(path, activations.Dynamic(), chunk: 24, sequences: 1, threads: 1)[^1], whole[^1]);
        foreach ((int chunk, int sequences, int threads) in ((int, int, int)[])[(1, 1, 2), (3, 1, 2), (7, 1, 1), (1, 3, 2), (1, 9, 1), (24, 4, 2)])
            Assert.Equal(whole, Run(path, activations, chunk, sequences, threads));
    }

    [Fact]
    public void Ranges_are_for_those_who_ask_for_static_scales()
    {
        using TemporaryFolder folder = new();
        string plain = SharedFiles.Data("models", "llama-gqa.gguf"), path = WithRanges(plain, folder["ranged.gguf"]);
        foreach (ActivationPrecision activations in Enum.GetValues<ActivationPrecision>().Where(activations => !activations.IsStatic()))
            Assert.Equal(Run(plain, activations, 24, 1, 1), Run(path, activations, 24, 1, 1));
        Assert.Contains("--static-activations", Assert.Throws<InvalidDataException>(() => Run(plain, ActivationPrecision.Int8Static, 1, 1, 1)).Message);
    }

    /// <summary>Maps that rotate their inputs, beside others, whatever that makes of the model.</summary>
    [Theory]
    [InlineData("models/stories260K-w256-hd64-Q4_K_M.gguf", ActivationPrecision.Int8Static)]
    [InlineData("models/stories260K-moe8x2-w256-hd64-f32.gguf", ActivationPrecision.Auto)]
    public void Nor_where_inputs_are_rotated(string model, ActivationPrecision activations)
    {
        using TemporaryFolder folder = new();
        string plain = WithRanges(SharedFiles.Shared(model.Split('/')), folder["ranged.gguf"]);
        string path = WithRanges(SharedFiles.Shared(model.Split('/')), folder["rotated.gguf"], rotated: ["blk.0.attn_output.weight", model.Contains("moe") ? "blk.1.ffn_down_exps.weight" : "blk.1.ffn_down.weight"]);
        float[][] whole = Run(path, activations, chunk: 24, sequences: 1, threads: 1);
        Assert.NotEqual(Run(plain, activations, chunk: 24, sequences: 1, threads: 1)[^1], whole[^1]);
        foreach ((int chunk, int sequences, int threads) in ((int, int, int)[])[(1, 1, 2), (7, 1, 1), (1, 9, 1), (24, 4, 2)])
            Assert.Equal(whole, Run(path, activations, chunk, sequences, threads));
        string wrong = WithRanges(SharedFiles.Shared(model.Split('/')), folder["wrong.gguf"], rotated: ["blk.77.ffn_down.weight"]);
        Assert.Contains("blk.77.ffn_down.weight", Assert.Throws<InvalidDataException>(() => Run(wrong, activations, 1, 1, 1)).Message);
    }

    [Fact]
    public void A_range_of_no_map_is_named()
    {
        using TemporaryFolder folder = new();
        string path = WithRanges(SharedFiles.Data("models", "llama-gqa.gguf"), folder["ranged.gguf"], "blk.77.ffn_up.weight");
        Assert.Contains("blk.77.ffn_up.weight", Assert.Throws<InvalidDataException>(() => Run(path, ActivationPrecision.Auto, 1, 1, 1)).Message);
    }

    /// <summary>A copy with ranges that clip some inputs; of some layers' maps alone, so that the others have scales of their own.</summary>
    private static string WithRanges(string model, string path, string? another = null, string[]? rotated = null)
    {
        using ModelFile file = ModelFile.Open(model);
        OrderedDictionary<string, float> ranges = [];
        foreach (string part in (string[])["attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_gate", "ffn_down", "ffn_up_exps", "ffn_down_exps", "attn_kv_a_mqa"])
        {
            if (file.Tensors.ContainsKey($"blk.0.{part}.weight"))
                ranges.Add($"blk.0.{part}.weight", part.Contains("down", StringComparison.Ordinal) ? 0.3f : 1.5f);
        }
        if (another is not null)
            ranges.Add(another, 1);
        Metadata metadata = new(path);
        foreach ((string key, MetadataValue value) in file.Metadata)
            metadata.Add(key, value);
        new ActivationRanges(ranges).WriteTo(metadata);
        if (rotated is not null)
            RotatedInputs.Write(metadata, rotated);
        GgufWriter.Write(path, metadata, [.. file.Tensors.Values]);
        return path;
    }

    private static float[][] Run(string path, ActivationPrecision activations, int chunk, int sequences, int threads) =>
        ChunkedRun.Logits(path, chunk, sequences, new EngineOptions { Threads = threads, Activations = activations });
}
