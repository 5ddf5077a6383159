using System.Text.Json.Nodes;
using Sluice.Evaluation;
using Sluice.Files;
using Sluice.Tensors.Formats;
using Sluice.TestData;
using Sluice.Tokenizers;

namespace Sluice.Compression.Tests;

/// <summary>Checkpoints that methods write: just the weights that the method chose, in a model that is as good as in any other file.</summary>
public sealed class CheckpointExporterTests(ITestOutputHelper output) : IDisposable
{
    private readonly Files.TemporaryFolder _source = new(), _target = new();

    public void Dispose()
    {
        _source.Dispose();
        _target.Dispose();
    }

    [Theory]
    [InlineData("stories260K-w256-hd64-f32.gguf", "gptq", 64, false)]
    [InlineData("stories260K-w256-hd64-f32.gguf", "gptq", 64, true)]
    [InlineData("stories260K-moe8x2-w256-hd64-f32.gguf", "awq", 32, false)]
    public void Gptq_and_awq_beat_rounding_to_nearest(string model, string layout, int size, bool symmetric)
    {
        WriteTwin(model);
        QuantizationMethod gptq = new("gptq") { ActOrder = layout == "gptq" };
        double[] found = [.. new[] { new("rtn"), gptq, new("awq") }.Select(method => Measure(new(layout)
        {
            GroupSize = size,
            IsSymmetric = symmetric,
            Method = Calibrated(method, 2048),
            Threads = 2,
        }))];
        output.WriteLine($"{layout}: rtn {found[0]:F4}, gptq {found[1]:F4}, awq {found[2]:F4}");
        Assert.True(found[1] < found[0] - 0.05 && found[1] < 3.82, $"{found[1]}");
        Assert.True(found[2] < found[0] - 0.05 && found[2] < 3.87, $"{found[2]}");
    }

    [Theory]
    [InlineData("gptq", 4, 64, false, false, false)]
    [InlineData("gptq_v2", 3, 128, true, false, false)]
    [InlineData("gptq", 4, 64, false, true, false)]
    [InlineData("gptq", 4, 64, true, true, true)]
    [InlineData("gptq_v2", 8, -1, false, true, false)]
    [InlineData("awq", 4, 32, false, true, true)]
    [InlineData("gptq", 4, 64, false, true, false, "stories260K-moe8x2-w256-hd64-f32.gguf")]
    public void What_is_read_again_is_what_gptq_chose(
        string layout, int bits, int group, bool symmetric, bool actOrder, bool staticGroups, string model = "stories260K-w256-hd64-f32.gguf")
    {
        WriteTwin(model);
        QuantizationMethod method = Calibrated(new("gptq") { ActOrder = actOrder, StaticGroups = staticGroups, Damping = 0.02f }, 1024);
        new CheckpointExporter(new(layout) { Bits = bits, GroupSize = group, IsSymmetric = symmetric, Method = method, Threads = 2 }).Run(_source.Path, _target["out"]);

        using ModelFile before = ModelFile.Open(_source.Path), after = ModelFile.Open(_target["out"]);
        using Calibrator calibrator = method.Calibrate(_source.Path, 2)!;
        foreach (TensorInfo map in CheckpointWriter.Maps(before))
        {
            int columns = (int)map.Shape[0];
            IntegerGrid grid = new(bits, group == -1 ? columns : group, symmetric) { HasHalfScales = true, LeastZeroPoint = layout == "gptq" ? 1 : 0 };
            IEnumerable<float> chosen = Values(map).Chunk((int)map.Shape[1] * columns).SelectMany((weights, expert) =>
            {
                GptqFactor factor = GptqFactor.Create(calibrator.Pool, calibrator.Find(map.Name, expert)!.Gram, columns, 0.02f, actOrder);
                return Gptq.Round(calibrator.Pool, weights, factor, grid, staticGroups).Restore();
            });
            Assert.Equal(chosen, Values(after.Tensor(map.Name)));
            Assert.Equal(actOrder && !staticGroups && group != -1, after.Tensor(map.Name).ColumnOrder is not null);
        }
        foreach (TensorInfo plain in before.Tensors.Values.Except(CheckpointWriter.Maps(before)))
            Assert.Equal(Values(plain), Values(after.Tensor(plain.Name)));

        JsonNode config = Config(_target["out"]);
        if (layout == "awq")
        {
            Assert.Equal("""{"quant_method":"awq","bits":4,"group_size":32,"zero_point":true,"version":"gemm","modules_to_not_convert":null}""", config.ToJsonString());
            return;
        }
        Assert.Equal((actOrder, staticGroups, symmetric), ((bool)config["desc_act"]!, (bool)config["static_groups"]!, (bool)config["sym"]!));
        Assert.Equal((0.02f, false), ((float)config["damp_percent"]!, (bool)config["true_sequential"]!));
        Assert.Equal((bits, group, layout), ((int)config["bits"]!, (int)config["group_size"]!, (string)config["checkpoint_format"]!));
    }

    /// <summary>Factors are folded into norms, routers and biases as well as maps: all of it is written.</summary>
    [Theory]
    [InlineData("llama-moe", "block_sparse_moe.gate", 3)]
    [InlineData("qwen2", null, 3)]
    [InlineData("qwen3moe", "mlp.gate", 3)]
    [InlineData("made", "mlp.gate, mlp.shared_expert_gate", 5)]
    public void What_is_read_again_is_what_awq_chose(string name, string? plain, int changedInLayer)
    {
        WriteTiny(name);
        QuantizationMethod method = Calibrated(new("awq"), 512, 64);
        new CheckpointExporter(new("awq") { GroupSize = 32, Method = method, Threads = 2 }).Run(_source.Path, _target["out"]);

        using ModelFile before = ModelFile.Open(_source.Path), after = ModelFile.Open(_target["out"]);
        using Calibrator calibrator = method.Calibrate(_source.Path, 2)!;
        WeightFormat single = WeightFormats.Get(TensorType.F32);
        ITensorQuantizer awq = AwqQuantizer.Create(before, _ => single, calibrator, _ => new IntegerGrid(4, 32, false) { HasHalfScales = true });
        int changed = 0;
        foreach (TensorInfo tensor in before.Tensors.Values)
        {
            float[] expected = Values(tensor);
            if (awq.Changes(tensor))
            {
                int experts = MatrixToQuantize.CountOf(tensor), columns = (int)tensor.Shape[0], rows = expected.Length / columns / experts;
                for (int expert = 0; expert < experts; expert++)
                {
                    byte[] bytes = new byte[rows * columns * sizeof(float)];
                    Span<float> own = expected.AsSpan(expert * rows * columns, rows * columns);
                    awq.Begin(new(tensor, expert, rows, columns, single, default)).Quantize(0, own, bytes);
                    single.Dequantize(bytes, own);
                }
                changed += CheckpointWriter.Maps(before).Contains(tensor) ? 0 : 1;
            }
            Assert.Equal(expected, Values(after.Tensor(tensor.Name)));
        }
        Assert.Equal(before.Metadata.GetInt32($"{before.Architecture}.block_count") * changedInLayer, changed);
        JsonArray? kept = Config(_target["out"])["modules_to_not_convert"] as JsonArray;
        Assert.Equal(plain, kept is null ? null : string.Join(", ", kept.Select(module => (string)module!)));
    }

    /// <summary>With 8 bits nearly nothing is lost, if all that factors are folded into is written.</summary>
    [Theory]
    [InlineData("llama-gqa")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    public void Folded_factors_change_nothing_but_rounding(string name)
    {
        WriteTiny(name);
        float[] expected = Logits(_source.Path);
        ExportOptions options = new("gptq") { Bits = 8, GroupSize = 32, Method = Calibrated(new("awq"), 512, 64), Threads = 2 };
        new CheckpointExporter(options).Run(_source.Path, _target["out"]);
        float[] actual = Logits(_target["out"]);
        double error = expected.Zip(actual, (e, a) => (double)(e - a) * (e - a)).Sum() / expected.Sum(e => (double)e * e);
        output.WriteLine($"{error:G3}");
        Assert.InRange(error, 1e-9, 3e-3);
    }

    /// <summary>Experts that no token comes to, and maps that the model runs in parts, are rounded all the same.</summary>
    [Fact]
    public void Maps_whose_inputs_are_not_seen_are_rounded_to_nearest()
    {
        WriteTiny("deepseek2-sigmoid");
        using ModelFile model = ModelFile.Open(_source.Path);
        using Calibrator calibrator = Calibrated(new("gptq"), 64, 64).Calibrate(_source.Path, 2)!;
        TensorInfo map = model.Tensor("blk.0.attn_kv_b.weight");
        Assert.Equal(-1, calibrator.PlaceOf(map.Name));
        (int columns, int rows) = ((int)map.Shape[0], (int)map.Shape[1]);
        IntegerGrid grid = new(4, 32, false);
        MatrixToQuantize matrix = new(map, 0, rows, columns, WeightFormats.Get(TensorType.F32), default);
        RoundedMatrix rounded = new GptqQuantizer(calibrator, grid: _ => grid).Begin(matrix).Round(0, Values(map))!;
        Assert.Equal(RoundToNearest.Round(Values(map), rows, columns, grid).Codes, rounded.Codes);
        Assert.Null(new NearestQuantizer().Begin(matrix).Round(0, Values(map)));
    }

    [Fact]
    public void Experts_that_no_token_comes_to_are_counted()
    {
        WriteTiny("qwen3moe");
        ExportOptions options = new("gptq") { GroupSize = 32, Method = Calibrated(new("gptq"), 8, 8), Threads = 2 };
        ExportResult result = new CheckpointExporter(options).Run(_source.Path, _target["out"]);
        output.WriteLine($"{result}");
        Assert.InRange(result.Unseen, 1, result.Rounded - 1);
    }

    [Fact]
    public void What_cannot_be_is_refused_before_the_text_is_run()
    {
        WriteTiny("qwen3moe");
        QuantizationMethod gptq = Calibrated(new("gptq") { ActOrder = true }, 512, 64);
        string Refuse<T>(ExportOptions options)
            where T : Exception
        {
            List<string> done = [];
            string message = Assert.Throws<T>(() => new CheckpointExporter(options with { Threads = 2 }).Run(_source.Path, _target["out"], (what, _) => done.Add(what))).Message;
            Assert.DoesNotContain(done, what => what.StartsWith("Calibrating", StringComparison.Ordinal));
            Assert.Empty(Directory.GetFileSystemEntries(_target.Path));
            return message;
        }
        Assert.Contains("static groups", Refuse<ArgumentException>(new("awq") { Method = gptq }));
        Assert.Contains("fp8", Refuse<ArgumentException>(new("fp8") { Method = gptq }));
        Assert.Contains("not by smoothquant", Refuse<ArgumentException>(new("gptq") { Method = new("smoothquant") }));
        Assert.Contains("2, 3, 4 or 8", Refuse<ArgumentException>(new("gptq") { Bits = 5 }));
        Assert.Contains("do not divide", Refuse<NotSupportedException>(new("gptq") { Method = gptq, GroupSize = 96 }));
        Assert.Contains("less than a chunk", Refuse<ArgumentException>(new("gptq") { Method = gptq with { Text = "short", StaticGroups = true }, GroupSize = 32 }));
    }

    [Fact]
    public void What_is_quantized_is_kept_or_refused()
    {
        WriteTwin("stories260K-w256-hd64-f32.gguf");
        string first = _target["first"], second = _target["second"];
        new CheckpointExporter(new("gptq_v2") { Method = Calibrated(new("gptq") { ActOrder = true }, 512), GroupSize = 64 }).Run(_source.Path, first);
        // Its integers and their order are those of gptq too.
        ExportResult result = new CheckpointExporter(new("gptq") { GroupSize = 64 }).Run(first, second);
        Assert.Equal(new ExportResult(35, 0, 0), result);
        Assert.True((bool)Config(second)["desc_act"]!);
        Assert.Null(Config(second)["damp_percent"]);
        using (ModelFile a = ModelFile.Open(first), b = ModelFile.Open(second))
            Assert.All(a.Tensors.Values, tensor => Assert.Equal(Values(tensor), Values(b.Tensor(tensor.Name))));
        Directory.Delete(second, recursive: true);
        foreach (ExportOptions options in (ExportOptions[])[new("gptq") { Bits = 3 }, new("fp8"), new("gptq") { Method = Calibrated(new("gptq"), 512) }])
        {
            Assert.Contains("--requantize", Assert.Throws<InvalidOperationException>(() => new CheckpointExporter(options).Run(first, second)).Message);
            Assert.False(Path.Exists(second));
        }
        Assert.Equal(35, new CheckpointExporter(new("gptq") { Bits = 3, MayRequantize = true }).Run(first, second).Rounded);
    }

    [Theory]
    [InlineData("rtn")]
    [InlineData("gptq")]
    [InlineData("awq")]
    public void Weights_that_are_no_numbers_are_named(string method)
    {
        WriteTiny("qwen2");
        string path = _source["model.safetensors"];
        byte[] bytes = File.ReadAllBytes(path);
        BitConverter.GetBytes(float.NaN).CopyTo(bytes, bytes.Length - 4); // or two such halves, of the last tensor
        File.WriteAllBytes(path, bytes);
        string last;
        using (ModelFile model = ModelFile.Open(_source.Path))
            last = CheckpointWriter.Maps(model).Single(map => Values(map).Any(float.IsNaN)).Name;
        ExportOptions options = new("gptq") { GroupSize = 32, Method = Calibrated(new(method), 64, 64) };
        Assert.Contains(last, Assert.Throws<InvalidDataException>(() => new CheckpointExporter(options).Run(_source.Path, _target["out"])).Message);
        Assert.Empty(Directory.GetFileSystemEntries(_target.Path));
    }

    private double Measure(ExportOptions options)
    {
        string target = _target[options.Method.Name];
        new CheckpointExporter(options).Run(_source.Path, target);
        using Runner runner = Runner.Load(target, new EngineOptions { Threads = 2, Context = 512, Sequences = 1, PrefixCache = false });
        Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
        return Perplexity.Measure(runner, tokenizer.Encode(Corpus.Remove(40_000)), tokenizer.BosId, 512, 10).Value;
    }

    private static string Corpus => File.ReadAllText(SharedFiles.Shared("corpora", "tinystories-sample.txt"));

    private static QuantizationMethod Calibrated(QuantizationMethod method, int tokens, int length = 512) => method.Name == "rtn" ? method : method with
    {
        Text = Corpus[(Corpus.Length / 4)..],
        Calibration = new CalibrationOptions { Tokens = tokens, ChunkLength = length },
    };

    private void WriteTwin(string model)
    {
        string path = SharedFiles.Shared("models", model);
        using (ModelFile gguf = ModelFile.Open(path))
            HuggingFaceTwin.Write(gguf, _source);
        _source.Write("tokenizer.json", TokenizerTwin.Make(path, TokenizerTwin.LlamaParts, TokenizerTwin.SentencePieceModel));
        _source.Write("tokenizer_config.json", """{"bos_token": "<s>", "eos_token": "</s>"}""");
    }

    private void WriteTiny(string name)
    {
        using TemporaryFolder made = new();
        string path = made.File("made.gguf");
        if (name == "made")
            TinyQwen2Moe.Write(path);
        else
            path = TinyModel.Find(name);
        using (ModelFile gguf = ModelFile.Open(path))
            HuggingFaceTwin.Write(gguf, _source);
        _source.Write("tokenizer.json", HuggingFaceTwin.ByteTokenizer(512));
    }

    private static float[] Logits(string folder)
    {
        using Runner runner = TinyModel.Load(folder);
        return TinyModel.Logits(runner);
    }

    private static float[] Values(TensorInfo tensor)
    {
        float[] values = new float[tensor.Count];
        tensor.Dequantize(0, values);
        return values;
    }

    private static JsonNode Config(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!["quantization_config"]!;
}
