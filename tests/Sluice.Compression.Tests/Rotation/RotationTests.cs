using Sluice.Files;
using Sluice.Tensors.Cpu;

namespace Sluice.Compression.Tests;

public class RotationTests(ITestOutputHelper output)
{
    public static MatrixTheoryData<string, bool> Models => new(
        ["llama-gqa", "llama-moe", "llama-tied-ropefreqs", "qwen2", "qwen3", "qwen3moe", "phi3", "gpt-oss", "mamba", "deepseek2-sigmoid"], [false, true]);

    [Theory]
    [MemberData(nameof(Models))]
    public void Logits_stay_the_same(string name, bool isOnline)
    {
        // As float32, since a rotated F16 weight is rounded again.
        string path = Path.Combine(Path.GetTempPath(), $"sluice-{Guid.NewGuid():N}.gguf");
        double difference;
        try
        {
            using (ModelFile stored = ModelFile.Open(TinyModel.Find(name)))
                ModelQuantizer.Run(QuantizationPlan.Make(stored, new QuantizationOptions { Mix = TypeMixes.Get("F32") }), path, new NearestQuantizer());
            difference = TinyModel.Difference(path, rotated =>
            {
                using ModelFile file = ModelFile.Open(path);
                ModelRotation.Write(file, rotated, isOnline: isOnline);
                using ModelFile other = ModelFile.Open(rotated);
                string[] writers = ["attn_output", "ffn_down", "ffn_down_exps", "ffn_down_shexp", "ssm_out"];
                Assert.Equal(
                    isOnline ? file.Tensors.Keys.Where(tensor => writers.Any(writer => tensor.EndsWith($".{writer}.weight", StringComparison.Ordinal))).Order() : [],
                    RotatedInputs.Read(other.Metadata).Order());
                Assert.NotEqual(file.Tensor("blk.0.attn_norm.weight").Data.Span().ToArray(), other.Tensor("blk.0.attn_norm.weight").Data.Span().ToArray());
                Assert.NotEqual(file.Tensor("token_embd.weight").Data.Span().ToArray(), other.Tensor("token_embd.weight").Data.Span().ToArray());
            });
        }
        finally
        {
            File.Delete(path);
        }
        output.WriteLine($"{name}: largest difference {difference:G3}");
        Assert.True(difference < 1e-4, $"{difference}");
    }

    /// <summary>A norm's weights go into the maps after it, and would be found there.</summary>
    [Theory]
    [InlineData("blk.1.attn_norm.weight")]
    [InlineData("blk.0.ffn_down.weight")]
    public void A_weight_that_is_no_number_is_named(string name)
    {
        using TemporaryFolder folder = new();
        using (ModelFile file = ModelFile.Open(TinyModel.Find("llama-gqa")))
        {
            using GgufWriter writer = GgufWriter.Create(folder.File("damaged.gguf"), ModelMetadata.Copy(file));
            foreach (TensorInfo tensor in file.Tensors.Values)
                writer.Declare(tensor.Name, tensor.Type, tensor.Shape);
            foreach (TensorInfo tensor in file.Tensors.Values)
            {
                byte[] bytes = tensor.Data.Span().ToArray();
                if (tensor.Name == name)
                    bytes.AsSpan(0, 4).Fill(0xFF); // NaN in floats of either length
                writer.Write(tensor.Name, bytes);
            }
            writer.Finish();
        }
        using ModelFile damaged = ModelFile.Open(folder.File("damaged.gguf"));
        Assert.Contains($"'{name}'", Assert.Throws<InvalidDataException>(() => ModelRotation.Write(damaged, folder.File("rotated.gguf"))).Message);
        Assert.False(File.Exists(folder.File("rotated.gguf")));
    }

    /// <summary>One file is written, whatever the model was in.</summary>
    [Fact]
    public void A_split_model_becomes_one_file()
    {
        using TemporaryFolder folder = new();
        using ModelFile file = ModelFile.Open(TinyModel.Find("llama-gqa"));
        int index = 0;
        foreach (TensorInfo tensor in file.Tensors.Values)
            tensor.Part = index++ < 5 ? 0 : 1;
        QuantizationOptions options = new() { Mix = TypeMixes.Get("F16"), KeepSplit = true };
        IReadOnlyList<string> files = ModelQuantizer.Run(QuantizationPlan.Make(file, options), folder.File("split.gguf"), new NearestQuantizer());
        using (ModelFile split = ModelFile.Open(files[0]))
            ModelRotation.Write(split, folder.File("rotated.gguf"));
        using ModelFile rotated = ModelFile.Open(folder.File("rotated.gguf"));
        Assert.Superset(file.Tensors.Keys.ToHashSet(), rotated.Tensors.Keys.ToHashSet());
    }

    [Theory]
    [InlineData("gemma2", "post_ffw_norm")]
    [InlineData("gpt2", "attn_norm.bias")]
    public void Models_whose_norms_stand_in_the_way_are_refused(string name, string obstacle)
    {
        using ModelFile file = ModelFile.Open(TinyModel.Find(name));
        Assert.Contains(obstacle, Assert.Throws<NotSupportedException>(() => ModelRotation.Write(file, "never.gguf")).Message);
        Assert.False(File.Exists("never.gguf"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(96)]
    public void A_rotation_keeps_lengths_and_products(int width)
    {
        HadamardRotation rotation = new(width, 3);
        Random random = new(width);
        float[] a = [.. Enumerable.Range(0, width).Select(_ => random.NextSingle())], b = [.. a.Select(x => x * x - 0.3f)];
        float before = Dot(a, b);
        float[] column = [.. a];
        rotation.Rotate(a);
        rotation.Rotate(b);
        rotation.RotateRows(column, 1);
        Assert.Equal(before, Dot(a, b), 1e-4f);
        Assert.Equal(a, column);
    }

    /// <summary>A layer whose weights and inputs have outlier columns, as large models have.</summary>
    [Fact]
    public void It_rescues_four_bits_from_outliers()
    {
        const int rows = 64, columns = 256, tokens = 256;
        Random random = new(5);
        float[] weights = Values(rows), inputs = Values(tokens), rotatedWeights = [.. weights], rotatedInputs = [.. inputs];
        HadamardRotation rotation = new(columns, 1);
        rotation.Rotate(rotatedWeights);
        rotation.Rotate(rotatedInputs);
        double plain = Error(weights, inputs), rotated = Error(rotatedWeights, rotatedInputs);
        output.WriteLine($"weights and activations of 4 bits: error {plain:G3}, rotated {rotated:G3}");
        Assert.True(rotated < 0.5 * plain, $"{rotated} is not well below {plain}");

        float[] Values(int count) =>
            [.. Enumerable.Range(0, count * columns).Select(i => (random.NextSingle() - 0.5f) * (i % columns % 37 == 0 ? 30 : 1))];

        // Both in 4 bits, with a scale for each row and token.
        static double Error(float[] w, float[] x)
        {
            IntegerGrid grid = new(4, columns, symmetric: true);
            float[] exact = Outputs(w, x);
            float[] rounded = Outputs(
                RoundToNearest.Round(w, rows, columns, grid).Restore(), RoundToNearest.Round(x, tokens, columns, grid).Restore());
            return exact.Zip(rounded, (e, r) => Math.Pow(e - r, 2)).Sum() / exact.Sum(e => (double)e * e);
        }

        static float[] Outputs(float[] w, float[] x)
        {
            using WorkerPool pool = new(1);
            float[] y = new float[tokens * rows];
            DenseProduct.Add(pool, 1, new MatrixView(x, tokens, columns, columns), new MatrixView(w, rows, columns, columns).Transposed, y, rows);
            return y;
        }
    }

    [Fact]
    public void A_quantized_model_is_refused()
    {
        string path = Path.Combine(Path.GetTempPath(), $"sluice-{Guid.NewGuid():N}.gguf");
        using ModelFile file = ModelFile.Open(TinyModel.Find("llama-mha-256"));
        QuantizationPlan plan = QuantizationPlan.Make(file, new QuantizationOptions { Mix = TypeMixes.Get("Q8_0") });
        try
        {
            ModelQuantizer.Run(plan, path, new NearestQuantizer());
            using ModelFile quantized = ModelFile.Open(path);
            Assert.Contains("quantized already", Assert.Throws<NotSupportedException>(() => ModelRotation.Write(quantized, path + ".rotated")).Message);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void A_model_with_online_rotations_is_not_rotated_again()
    {
        using TemporaryFolder folder = new();
        using (ModelFile file = ModelFile.Open(TinyModel.Find("llama-gqa")))
            ModelRotation.Write(file, folder.File("rotated.gguf"), isOnline: true);
        using ModelFile rotated = ModelFile.Open(folder.File("rotated.gguf"));
        Assert.Contains("already", Assert.Throws<NotSupportedException>(() => ModelRotation.Write(rotated, folder.File("twice.gguf"))).Message);
        // Nor are factors folded across a rotation.
        Assert.DoesNotContain(FoldPair.Find(rotated), pair => pair.To.Any(to => to.Name.Contains("down") || to.Name.Contains("attn_output")));
    }

    private static float Dot(float[] a, float[] b) => a.Zip(b, (x, y) => x * y).Sum();
}
