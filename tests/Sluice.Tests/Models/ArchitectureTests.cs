using Sluice.Cache;
using Sluice.Files;
using Sluice.Models;
using Sluice.Tensors;
using Sluice.Tensors.KvFormats;

namespace Sluice.Tests.Models;

public class ArchitectureTests(ITestOutputHelper output)
{
    public static TheoryData<string> Goldens => [.. GoldenModel.All.Select(golden => golden.Name)];

    [Theory]
    [MemberData(nameof(Goldens))]
    public void Logits_agree_with_an_independent_engine(string name)
    {
        GoldenModel golden = GoldenModel.All.Single(g => g.Name == name);
        using ModelFile file = ModelFile.Open(golden.Path);
        using ScalarOps ops = new();
        Model model = Model.Load(file, ops);
        KvPlan plan = KvPlan.Create(model.Layers, KvFormats.Get("f32"), 64, 2, 64, 1L << 30);
        using KvCache cache = new(plan);
        float[] logits = Run(model, ops, cache, golden.Tokens, golden.Tokens.Length);
        double nmse = GoldenModel.Nmse(logits, golden.Logits());
        output.WriteLine($"{name}: NMSE {nmse:g3}, limit {golden.Limit:g3}");
        Assert.True(nmse <= golden.Limit, $"{name}: NMSE {nmse:g3} is over {golden.Limit:g3}");
        cache.CheckIntegrity();
    }

    /// <summary>The logits of all tokens, in chunks.</summary>
    private static float[] Run(Model model, Ops ops, KvCache cache, int[] tokens, int chunk)
    {
        using SequenceCache sequence = cache.CreateSequence();
        Batch batch = new();
        List<float> logits = [];
        for (int start = 0; start < tokens.Length; start += chunk)
        {
            int count = Math.Min(chunk, tokens.Length - start);
            Assert.True(sequence.TryReserve(count));
            batch.Clear();
            sequence.Begin(batch);
            for (int i = 0; i < count; i++)
                batch.Add(tokens[start + i], wantOutput: true);
            using ScratchScope scope = ops.Scratch();
            Tensor result = model.Forward(batch, cache);
            for (int row = 0; row < result.Rows; row++)
                logits.AddRange(result[row]);
            sequence.Commit(count);
            cache.CheckIntegrity();
        }
        return [.. logits];
    }
}
