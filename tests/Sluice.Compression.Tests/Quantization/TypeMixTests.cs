using Sluice.Files;
using Sluice.Tensors.Formats;
using Sluice.TestData;

namespace Sluice.Compression;

public class TypeMixTests
{
    [Fact]
    public void Names_and_file_types_are_of_one_mix_each()
    {
        Assert.Equal(TypeMixes.All.Count, TypeMixes.All.Select(mix => mix.Name).Distinct(StringComparer.OrdinalIgnoreCase).Count());
        Assert.Same(TypeMixes.Get("Q4_K_M"), TypeMixes.Get("q4_k_m"));
        Assert.Contains("Q4_K_M", Assert.Throws<ArgumentException>(() => TypeMixes.Get("Q4_Z")).Message);
        string[] writable = [.. WeightFormats.All.Where(format => format.CanQuantize).Select(format => format.Name)];
        Assert.Subset(TypeMixes.All.Select(mix => mix.Name).ToHashSet(), writable.ToHashSet());
    }

    /// <summary>The files that an independent engine quantized say which type it chose for each tensor.</summary>
    [Theory]
    [InlineData("Q8_0")]
    [InlineData("Q6_K")]
    [InlineData("Q4_K_M")]
    [InlineData("Q2_K")]
    public void The_same_type_for_every_tensor_as_the_independent_engine(string mix)
    {
        using ModelFile input = ModelFile.Open(SharedFiles.Shared("models", "stories260K-w256-hd64-f32.gguf"));
        using ModelFile expected = ModelFile.Open(SharedFiles.Shared("models", $"stories260K-w256-hd64-{mix}.gguf"));
        QuantizationPlan plan = QuantizationPlan.Make(input, new QuantizationOptions { Mix = TypeMixes.Get(mix) });
        Assert.Equal(
            expected.Tensors.Values.Select(tensor => (tensor.Name, tensor.Type)).Order(),
            plan.Tensors.Select(entry => (entry.Tensor.Name, entry.Format!.Type)).Order());
    }

    [Theory]
    [InlineData("Q4_K_M", "blk.0.attn_v.weight", "Q6_K")]
    [InlineData("Q4_K_M", "blk.4.attn_v.weight", "Q4_K")]
    [InlineData("Q4_K_M", "blk.31.ffn_down.weight", "Q6_K")]
    [InlineData("Q4_K_S", "blk.3.attn_v.weight", "Q5_K")]
    [InlineData("Q3_K_L", "blk.9.attn_output.weight", "Q5_K")]
    [InlineData("IQ2_M", "token_embd.weight", "IQ3_S")]
    [InlineData("IQ2_M", "blk.9.ffn_up.weight", "IQ2_S")]
    [InlineData("IQ2_S", "blk.9.ffn_up.weight", "IQ2_XS")]
    [InlineData("IQ1_S", "output.weight", "Q5_K")]
    [InlineData("IQ1_S", "blk.9.attn_output.weight", "IQ2_XXS")]
    [InlineData("IQ1_S", "blk.9.attn_v.weight", "Q4_K")]
    [InlineData("TQ2_0", "token_embd.weight", "Q4_K")]
    [InlineData("Q6_K", "output.weight", "Q6_K")]
    [InlineData("Q8_0", "output.weight", "Q8_0")]
    public void Types_of_an_8B_model(string mix, string tensor, string type) =>
        Assert.Equal(type, TypeMixes.Get(mix).Choose(tensor, [4096, 1024], new ModelShape(32, 4, 0, IsTied: false)).ToString());

    [Theory]
    [InlineData("Q4_K_M", "blk.4.attn_v.weight", "Q8_0")]
    [InlineData("Q4_K_M", "blk.4.attn_output.weight", "Q5_K")]
    [InlineData("MXFP4_MOE", "blk.4.ffn_up_exps.weight", "MXFP4")]
    [InlineData("MXFP4_MOE", "blk.4.attn_q.weight", "Q8_0")]
    public void Types_of_a_model_of_8_experts(string mix, string tensor, string type) =>
        Assert.Equal(type, TypeMixes.Get(mix).Choose(tensor, [4096, 1024, 8], new ModelShape(32, 4, 8, IsTied: false)).ToString());

    [Fact]
    public void Types_below_3_bits_need_importance() =>
        Assert.Equal(
            ["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M", "Q1_0", "Q2_0"],
            TypeMixes.All.Where(mix => mix.NeedsImportance).Select(mix => mix.Name));
}
