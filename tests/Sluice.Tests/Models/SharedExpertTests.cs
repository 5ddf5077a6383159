using Sluice.Files;
using Sluice.Models;
using Sluice.Models.Layers;
using Sluice.Tensors;
using Sluice.Tensors.Cpu;

namespace Sluice.Tests.Models;

public class SharedExpertTests
{
    /// <summary>Qwen 2's mixture, written as its authors describe it, one number after the other.</summary>
    [Fact]
    public void A_mixture_with_a_gated_shared_expert_is_what_it_should_be()
    {
        using TemporaryFolder folder = new();
        TinyQwen2Moe.Write(folder["made.gguf"]);
        using ModelFile file = ModelFile.Open(folder["made.gguf"]);
        Random random = new(8);
        double[] x = [.. Enumerable.Range(0, TinyQwen2Moe.Hidden).Select(_ => (double)(random.NextSingle() - 0.5f))];

        double[] Map(string name, double[] inputs, int expert = 0)
        {
            TensorInfo tensor = file.Tensors[$"blk.1.{name}.weight"];
            int rows = tensor.Shape.Length > 1 ? (int)tensor.Shape[1] : 1;
            float[] row = new float[inputs.Length];
            return [.. Enumerable.Range(0, rows).Select(r =>
            {
                tensor.Dequantize(expert * rows + r, row);
                return row.Zip(inputs, (weight, input) => weight * input).Sum();
            })];
        }
        double[] Expert(string suffix, int number = 0)
        {
            double[] gate = Map("ffn_gate" + suffix, x, number), up = Map("ffn_up" + suffix, x, number);
            return Map("ffn_down" + suffix, [.. gate.Zip(up, (g, u) => g / (1 + Math.Exp(-g)) * u)], number);
        }
        double[] exponentials = [.. Map("ffn_gate_inp", x).Select(Math.Exp)];
        double sum = exponentials.Sum(), shared = 1 / (1 + Math.Exp(-Map("ffn_gate_inp_shexp", x)[0]));
        double[] expected = [.. Expert("_shexp").Select(value => shared * value)];
        foreach (int chosen in Enumerable.Range(0, TinyQwen2Moe.Experts).OrderByDescending(e => exponentials[e]).Take(TinyQwen2Moe.Used))
            expected = [.. expected.Zip(Expert("_exps", chosen), (total, value) => total + exponentials[chosen] / sum * value)];

        foreach (Ops ops in (Ops[])[new ScalarOps(), new CpuOps(2)])
        {
            using (ops)
            {
                ModelLoader loader = new(file, ops, default, null);
                MixtureOfExperts mixture = new(
                    loader, 1, TinyQwen2Moe.Inner, new Router(TinyQwen2Moe.Used, Gating.Softmax), Activation.Silu, TinyQwen2Moe.SharedInner);
                using ScratchScope scope = ops.Scratch();
                Tensor input = ops.Allocate(1, x.Length);
                for (int i = 0; i < x.Length; i++)
                    input[0][i] = (float)x[i];
                float[] actual = mixture.Forward(input)[0].ToArray();
                for (int i = 0; i < expected.Length; i++)
                    Assert.Equal(expected[i], actual[i], 1e-5);
            }
        }
    }
}
