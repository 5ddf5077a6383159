using System.Text.RegularExpressions;
using Sluice.Files;
using Sluice.Tensors.Formats;
using Sluice.TestData;

namespace Sluice.Compression;

public class ModelQuantizerTests
{
    [Theory]
    [InlineData("Q4_K_M")]
    [InlineData("Q2_K")]
    [InlineData("IQ3_XXS")]
    [InlineData("MXFP4_MOE")]
    [InlineData("BF16")]
    public void Every_tensor_is_what_its_format_makes_of_each_row(string mix)
    {
        using TemporaryFolder folder = new();
        MadeModel model = MadeModel.Small();
        Run(folder, model, new QuantizationOptions { Mix = TypeMixes.Get(mix), Threads = 2 });
        using ModelFile written = ModelFile.Open(folder.File("out.gguf"));
        Assert.Equal(model.Tensors.Keys, written.Tensors.Keys);
        Assert.Equal("kept", written.Metadata.GetString("own.key"));
        Assert.Equal(2, written.Metadata.GetInt32("general.quantization_version"));
        Assert.Equal((int)TypeMixes.Get(mix).FileType!.Value, written.Metadata.GetInt32("general.file_type"));
        foreach (TensorInfo tensor in written.Tensors.Values)
        {
            (long[] shape, float[] values) = model.Tensors[tensor.Name];
            Assert.Equal(shape, tensor.Shape);
            WeightFormat format = WeightFormats.Get(tensor.Type);
            int columns = (int)shape[0], rowBytes = (int)format.Bytes(columns);
            byte[] row = new byte[rowBytes];
            for (int i = 0; i * columns < values.Length; i++)
            {
                format.Quantize(values.AsSpan(i * columns, columns), row);
                Assert.Equal(row, tensor.Data.Span(i * rowBytes, rowBytes));
            }
            bool isSmall = shape.Length == 1 || tensor.Name.Contains("ffn_gate_inp", StringComparison.Ordinal);
            Assert.Equal(isSmall, tensor.Type == TensorType.F32);
        }
    }

    [Fact]
    public void Importance_of_each_expert_weights_its_own_matrix()
    {
        using TemporaryFolder folder = new();
        MadeModel model = MadeModel.Small();
        ImportanceMatrix importance = new(512);
        const string name = "blk.1.ffn_down_exps.weight";
        ImportanceEntry entry = importance.Entry(name, 256, 4);
        Random random = new(2);
        for (int expert = 0; expert < 3; expert++) // the fourth was never reached
            entry.Add([.. Enumerable.Range(0, 256).Select(_ => random.NextSingle())], expert);
        Run(folder, model, new QuantizationOptions { Mix = TypeMixes.Get("Q4_K_S"), Importance = importance });
        using ModelFile written = ModelFile.Open(folder.File("out.gguf"));
        TensorInfo tensor = written.Tensor(name);
        WeightFormat format = WeightFormats.Get(tensor.Type);
        float[] means = entry.Means();
        byte[] row = new byte[format.Bytes(256)];
        for (int expert = 0; expert < 4; expert++)
        {
            format.Quantize(model.Tensors[name].Values.AsSpan(expert * 48 * 256, 256), row, expert < 3 ? means.AsSpan(expert * 256, 256) : []);
            Assert.Equal(row, tensor.Data.Span(expert * 48 * row.Length, row.Length));
        }
    }

    [Fact]
    public void Importance_of_another_model_is_refused()
    {
        using TemporaryFolder folder = new();
        ImportanceMatrix importance = new(512);
        importance.Entry("blk.0.attn_v.weight", 128, 1);
        Assert.Contains("another model", Assert.Throws<InvalidDataException>(() =>
            Run(folder, MadeModel.Small(), new QuantizationOptions { Mix = TypeMixes.Get("Q4_0"), Importance = importance })).Message);
    }

    [Fact]
    public void Rows_that_are_no_multiple_of_a_block_get_another_type()
    {
        using TemporaryFolder folder = new();
        QuantizationPlan plan = Run(folder, MadeModel.Small(columns: 96), new QuantizationOptions { Mix = TypeMixes.Get("Q4_K_M") });
        TensorPlan output = plan.Tensors.Single(entry => entry.Tensor.Name == "output.weight");
        Assert.Equal(("Q8_0", "Q6_K"), (output.Format!.Name, output.Unfit!.Name));
        plan = Run(folder, MadeModel.Small(columns: 7), new QuantizationOptions { Mix = TypeMixes.Get("Q4_K_M") });
        Assert.All(plan.Tensors.Where(entry => entry.Unfit is not null), entry => Assert.Equal("F16", entry.Format!.Name));
    }

    [Fact]
    public void Options_decide_before_the_mix()
    {
        using TemporaryFolder folder = new();
        QuantizationPlan plan = Run(folder, MadeModel.Small(), new QuantizationOptions
        {
            Mix = TypeMixes.Get("Q4_K_M"),
            OutputType = TensorType.Q8_0,
            EmbeddingType = TensorType.Q5_0,
            TensorTypes = [(new Regex("blk.1.ffn_down"), TensorType.Q3_K), (new Regex("ffn_down"), TensorType.IQ4_XS)],
        });
        Assert.Equal(
            ["Q5_0", "Q4_K", "IQ4_XS", "Q6_K", "Q3_K", "Q8_0"],
            plan.Tensors.Where(entry => entry.Format!.BlockSize > 1).Select(entry => entry.Format!.Name));
        plan = Run(folder, MadeModel.Small(), new QuantizationOptions { Mix = TypeMixes.Get("Q4_K_M"), IsPure = true });
        Assert.All(plan.Tensors.Where(entry => entry.Format!.BlockSize > 1), entry => Assert.Equal("Q4_K", entry.Format!.Name));
    }

    [Theory]
    [InlineData(float.NaN, "Q4_K_M", "blk.1.ffn_down_exps.weight")]
    [InlineData(float.NegativeInfinity, "Q8_0", "blk.0.attn_norm.weight")]
    [InlineData(70000f, "Q4_0", "output.weight")]
    public void Weights_that_no_type_holds_are_named_and_nothing_is_left(float weight, string mix, string name)
    {
        using TemporaryFolder folder = new();
        MadeModel model = MadeModel.Small();
        model.Tensors[name].Values[^3] = weight;
        InvalidDataException error = Assert.Throws<InvalidDataException>(() => Run(folder, model, new QuantizationOptions { Mix = TypeMixes.Get(mix) }));
        Assert.Contains(name, error.Message);
        Assert.Contains("column 253", error.Message);
        Assert.Equal(["in.gguf"], folder.Names);
    }

    [Fact]
    public void A_full_disk_leaves_nothing_and_neither_does_an_interruption()
    {
        using TemporaryFolder folder = new();
        MadeModel.Small().Write(folder.File("in.gguf"));
        using ModelFile file = ModelFile.Open(folder.File("in.gguf"));
        QuantizationPlan plan = QuantizationPlan.Make(file, new QuantizationOptions { Mix = TypeMixes.Get("Q8_0") });
        using CancellationTokenSource source = new();
        Assert.ThrowsAny<OperationCanceledException>(() => ModelQuantizer.Run(
            plan, folder.File("out.gguf"), new NearestQuantizer(), (_, share) => source.Cancel(), source.Token));
        Assert.Equal(["in.gguf"], folder.Names);
        if (!File.Exists("/dev/full"))
            return;
        File.CreateSymbolicLink(folder.File("out.gguf.part"), "/dev/full");
        Assert.ThrowsAny<IOException>(() => ModelQuantizer.Run(plan, folder.File("out.gguf"), new NearestQuantizer()));
        Assert.Equal(["in.gguf"], folder.Names);
    }

    [Fact]
    public void What_is_quantized_already_is_refused_unless_asked_for()
    {
        using TemporaryFolder folder = new();
        Run(folder, MadeModel.Small(), new QuantizationOptions { Mix = TypeMixes.Get("Q8_0") });
        using ModelFile file = ModelFile.Open(folder.File("out.gguf"));
        QuantizationOptions options = new() { Mix = TypeMixes.Get("Q4_0") };
        Assert.Contains("already", Assert.Throws<InvalidOperationException>(() => QuantizationPlan.Make(file, options)).Message);
        Assert.Contains("--requantize", Assert.Throws<InvalidOperationException>(() => QuantizationPlan.Make(file, options)).Message);
        QuantizationPlan.Make(file, options with { MayRequantize = true });
        // The same types again change nothing.
        ModelQuantizer.Run(QuantizationPlan.Make(file, options with { Mix = TypeMixes.Get("Q8_0") }), folder.File("again.gguf"), new NearestQuantizer());
        Assert.Equal(File.ReadAllBytes(folder.File("out.gguf")), File.ReadAllBytes(folder.File("again.gguf")));
    }

    [Fact]
    public void A_split_model_may_stay_split()
    {
        using TemporaryFolder folder = new();
        string whole = SharedFiles.Data("models", "llama-gqa.gguf");
        using ModelFile file = ModelFile.Open(whole);
        int index = 0;
        foreach (TensorInfo tensor in file.Tensors.Values)
            tensor.Part = index++ < 5 ? 0 : 1;
        QuantizationOptions options = new() { Mix = TypeMixes.Get("Q8_0"), KeepSplit = true };
        IReadOnlyList<string> files = ModelQuantizer.Run(QuantizationPlan.Make(file, options), folder.File("out.gguf"), new NearestQuantizer());
        Assert.Equal(["out-00001-of-00002.gguf", "out-00002-of-00002.gguf"], files.Select(Path.GetFileName));
        ModelQuantizer.Run(QuantizationPlan.Make(file, options with { KeepSplit = false }), folder.File("one.gguf"), new NearestQuantizer());
        using ModelFile split = ModelFile.Open(files[1]), one = ModelFile.Open(folder.File("one.gguf"));
        Assert.Equal(one.Tensors.Keys, split.Tensors.Keys);
        Assert.All(one.Tensors.Values, tensor => Assert.Equal(tensor.Data.Span(), split.Tensor(tensor.Name).Data.Span()));
    }

    private static QuantizationPlan Run(TemporaryFolder folder, MadeModel model, QuantizationOptions options)
    {
        model.Write(folder.File("in.gguf"));
        using ModelFile file = ModelFile.Open(folder.File("in.gguf"));
        QuantizationPlan plan = QuantizationPlan.Make(file, options);
        ModelQuantizer.Run(plan, folder.File("out.gguf"), new NearestQuantizer());
        return plan;
    }
}
