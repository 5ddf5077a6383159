using Sluice.Files;
using Sluice.Tensors;
using Sluice.Tensors.Formats;

namespace Sluice.Compression.Tests;

public class SubstitutingTests
{
    [Theory]
    [InlineData("llama-gqa", "blk.0.attn_k.weight", "blk.1.ffn_gate.weight")]
    [InlineData("llama-gqa", "token_embd.weight", "blk.0.ffn_down.weight")]
    [InlineData("qwen3moe", "blk.0.ffn_down_exps.weight", "blk.0.ffn_up_exps.weight")]
    [InlineData("deepseek2-sigmoid", "blk.1.ffn_down_exps.weight", "output.weight")]
    public void A_tensor_that_is_exchanged_computes_as_if_it_were_in_the_file(string model, params string[] tensors)
    {
        using TemporaryFolder folder = new();
        string path = TinyModel.Find(model);
        SubstitutingOps? weights = null;
        using Runner runner = TinyModel.Load(path, ops => weights = new SubstitutingOps(ops));
        float[] original = TinyModel.Logits(runner);
        using (Runner plain = TinyModel.Load(path))
            Assert.Equal(TinyModel.Logits(plain), original);
        using ModelFile file = ModelFile.Open(path);
        Dictionary<string, WeightFormat> formats = [];
        foreach (string name in tensors)
        {
            formats.Add(name, WeightFormats.Get(TensorType.Q8_0));
            QuantizationPlan plan = QuantizationPlan.Make(file, new QuantizationOptions { Mix = TypeMixes.Get("F32"), Threads = 2 }).With(formats);
            string other = folder.File(name + ".gguf");
            ModelQuantizer.Run(plan, other, new NearestQuantizer());
            TensorPlan tensor = plan.Tensors.Single(tensor => tensor.Tensor.Name == name);
            Assert.Equal(ModelQuantizer.FileBytes(plan), new FileInfo(other).Length);
            Substitute(weights!, tensor, ModelQuantizer.Encode(plan, tensor, new NearestQuantizer()));
            using Runner expected = TinyModel.Load(other);
            Assert.Equal(TinyModel.Logits(expected), TinyModel.Logits(runner));
        }
        Assert.NotEqual(original, TinyModel.Logits(runner));
        foreach (string name in tensors)
            weights!.Restore(name);
        Assert.Equal(original, TinyModel.Logits(runner));
    }

    private static void Substitute(SubstitutingOps weights, TensorPlan plan, byte[] bytes)
    {
        int columns = (int)plan.Tensor.Shape[0], experts = MatrixToQuantize.CountOf(plan.Tensor);
        weights.Substitute(WeightData.FromBytes(plan.Tensor.Name, plan.Format!, columns, (int)(plan.Tensor.Count / columns / experts), experts, bytes));
    }
}
