using System.Reflection;
using Sluice.Cache;
using Sluice.Files;
using Sluice.Tensors;
using Sluice.TestData;

namespace Sluice.Tests.Engine;

public class ObservingTests
{
    private const int Tokens = 9;

    /// <summary>An operation that is not handed on would be done as what it falls back to.</summary>
    [Fact]
    public void Every_operation_is_handed_on()
    {
        foreach (MethodInfo operation in typeof(Ops).GetMethods(BindingFlags.Instance | BindingFlags.Public)
            .Where(method => method is { IsVirtual: true, IsFinal: false } && method.DeclaringType == typeof(Ops)))
        {
            MethodInfo own = typeof(ObservingOps).GetMethods().Single(method => method.GetBaseDefinition() == operation);
            Assert.True(own.DeclaringType != typeof(Ops), operation.ToString());
        }
    }

    [Theory]
    [InlineData("llama-gqa")]
    [InlineData("qwen3moe")]
    [InlineData("gpt-oss")]
    [InlineData("deepseek2-sigmoid")]
    [InlineData("mamba")]
    public void Every_matrix_of_a_model_shows_its_inputs_and_the_logits_stay_the_same(string name)
    {
        string path = SharedFiles.Shared("golden", "models", name + ".gguf");
        Dictionary<string, (int Rows, int Columns)> seen = [];
        void Observe(in LinearInputs inputs)
        {
            foreach (string tensor in inputs.Names)
            {
                Assert.Equal(inputs.Weight.Columns, inputs.X.Columns);
                Assert.True(seen.TryAdd(tensor, (inputs.X.Rows, inputs.X.Columns)), tensor);
            }
        }

        float[] logits = Run(path, ops => new ObservingOps(ops, Observe));
        Assert.Equal(Run(path, null), logits);
        using ModelFile file = ModelFile.Open(path);
        foreach (TensorInfo tensor in file.Tensors.Values.Where(tensor => tensor.Shape.Length > 1 && tensor.Name.StartsWith("blk.", StringComparison.Ordinal)
            && tensor.Name.EndsWith(".weight", StringComparison.Ordinal) && !tensor.Name.Contains("ssm_conv", StringComparison.Ordinal)
            && !tensor.Name.Contains("kv_b", StringComparison.Ordinal)))
        {
            Assert.True(seen.ContainsKey(tensor.Name), tensor.Name);
            Assert.Equal(tensor.Shape[0], seen[tensor.Name].Columns);
        }
    }

    [Fact]
    public void Inputs_of_experts_say_whose_they_are()
    {
        string path = SharedFiles.Shared("golden", "models", "qwen3moe.gguf");
        Dictionary<string, List<int[]>> seen = [];
        void Observe(in LinearInputs inputs)
        {
            List<int[]> rows = [];
            for (int row = 0; row < inputs.X.Rows; row++)
                rows.Add(inputs.Experts(row).ToArray());
            foreach (string tensor in inputs.Names)
                seen[tensor] = rows;
        }

        Run(path, ops => new ObservingOps(ops, Observe));
        List<int[]> up = seen["blk.0.ffn_up_exps.weight"], down = seen["blk.0.ffn_down_exps.weight"];
        Assert.Equal(Tokens, up.Count);
        Assert.True(up[0].Length > 1);
        // The rows of the second map are the pairs of the first.
        Assert.Equal(up.SelectMany(experts => experts), down.Select(Assert.Single));
        Assert.All(seen["blk.0.attn_q.weight"], experts => Assert.Equal([0], experts));
    }

    private static float[] Run(string path, Func<Ops, Ops>? wrap)
    {
        using Runner runner = Runner.Load(path, new EngineOptions { Threads = 2, Context = 64, Sequences = 1, WarmUp = false, Wrap = wrap });
        using SequenceCache sequence = runner.Cache.CreateSequence();
        Assert.True(sequence.TryReserve(Tokens));
        Batch batch = new();
        sequence.Begin(batch);
        for (int i = 0; i < Tokens; i++)
            batch.Add(3 + i, wantOutput: i == Tokens - 1);
        using ScratchScope scope = runner.Ops.Scratch();
        return runner.Forward(batch)[0].ToArray();
    }
}
