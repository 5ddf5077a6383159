using Sluice.Evaluation;
using Sluice.TestData;
using Sluice.Tokenizers;

namespace Sluice.Tests.Evaluation;

public class DivergenceTests
{
    private static readonly EngineOptions Options = new() { Threads = 2, Context = 128, Sequences = 1, KvFormat = "f32" };

    [Fact]
    public void A_model_does_not_diverge_from_itself()
    {
        Divergence result = Measure("stories260K-f32.gguf", "stories260K-f32.gguf");
        Assert.InRange(result.Mean, -1e-7, 1e-7);
        Assert.Equal(1, result.TopAgreement);
        Assert.Equal(result.Reference, result.Own);
        Assert.Equal(3 * 63, result.Tokens.Count);
        Assert.Equal(63, result.ByPosition.Count);
    }

    [Fact]
    public void Coarser_weights_diverge_more()
    {
        Divergence eight = Measure("stories260K-w256-hd64-Q8_0.gguf", "stories260K-w256-hd64-f32.gguf");
        Divergence two = Measure("stories260K-w256-hd64-Q2_K.gguf", "stories260K-w256-hd64-f32.gguf");
        Assert.InRange(eight.Mean, 1e-6, 0.01);
        Assert.True(two.Mean > 20 * eight.Mean);
        Assert.True(two.TopAgreement < eight.TopAgreement);
        Assert.True(two.Quantile(0.99) > two.Quantile(0.5) && two.Quantile(1) >= two.Quantile(0.99));
        Assert.Equal(two.Mean, two.ByPosition.Average(), 1e-9);
        Assert.Equal(eight.Reference, two.Reference);
    }

    [Fact]
    public void It_is_the_sum_over_the_reference()
    {
        float[] p = [MathF.Log(0.5f), MathF.Log(0.5f), float.NegativeInfinity], q = [MathF.Log(0.25f), MathF.Log(0.25f), MathF.Log(0.5f)];
        Assert.Equal(Math.Log(2), Divergence.Between(p, q), 1e-6);
    }

    private static Divergence Measure(string model, string reference)
    {
        using Runner runner = Runner.Load(SharedFiles.Shared("models", model), Options);
        using Runner other = Runner.Load(SharedFiles.Shared("models", reference), Options);
        Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
        int[] tokens = tokenizer.Encode(File.ReadAllText(SharedFiles.Shared("corpora", "tinystories-sample.txt")).AsSpan(0, 10_000));
        return Divergence.Measure(runner, other, tokens, tokenizer.AddsBos ? tokenizer.BosId : null, 128, 3);
    }
}
