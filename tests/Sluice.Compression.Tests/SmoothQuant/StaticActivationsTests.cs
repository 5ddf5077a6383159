using Sluice.Evaluation;
using Sluice.Files;
using Sluice.Tensors;
using Sluice.TestData;
using Sluice.Tokenizers;

namespace Sluice.Compression.Tests;

/// <summary>Ranges of activations, as <c>sluice quantize --static-activations</c> writes them.</summary>
public class StaticActivationsTests(ITestOutputHelper output)
{
    private const int Chunk = 256, Chunks = 4;

    private static string Text => File.ReadAllText(SharedFiles.Shared("corpora", "tinystories-sample.txt"))[..40_000];

    /// <summary>Whatever a method does to the model: the ranges are those of the inputs that the model which is written has.</summary>
    [Theory]
    [InlineData("rtn", "stories260K-w256-hd64-f32.gguf")]
    [InlineData("gptq", "stories260K-w256-hd64-f32.gguf")]
    [InlineData("awq", "stories260K-w256-hd64-f32.gguf")]
    [InlineData("smoothquant", "stories260K-w256-hd64-f32.gguf")]
    [InlineData("smoothquant", "stories260K-moe8x2-w256-hd64-f32.gguf")]
    public void Ranges_are_those_of_the_inputs(string method, string model)
    {
        using TemporaryFolder folder = new();
        string written = folder.File("ranged.gguf");
        ActivationRanges ranges = Quantize(method, SharedFiles.Shared("models", model), written, "F32")!;
        Dictionary<string, float> seen = Observe(written);
        Assert.Equal(seen.Keys.Order(), ranges.Maps.Order());
        foreach ((string name, float largest) in seen)
            Assert.Equal(1, ranges.Of(name) / largest, 0.01); // the cache is rounded, and by gptq weights are
        float[] down = [.. ranges.Maps.Where(name => name.Contains("ffn_down")).Select(ranges.Of)];
        output.WriteLine($"{method}: inputs of ffn_down up to {string.Join(", ", down)}");
    }

    /// <summary>What a method or a rotation changes is not what the file's ranges are of.</summary>
    [Fact]
    public void Old_ranges_and_thresholds_go_where_inputs_change()
    {
        using TemporaryFolder folder = new();
        string model = SharedFiles.Shared("models", "stories260K-w256-hd64-f32.gguf"), ranged = folder.File("ranged.gguf"), other = folder.File("other.gguf");
        Quantize("rtn", model, ranged, "F32");
        Assert.NotNull(Quantize("rtn", ranged, other, "F16", isStatic: false));
        Assert.Null(Quantize("awq", ranged, other, "F16", isStatic: false));
        using (ModelFile file = ModelFile.Open(ranged))
            ModelRotation.Write(file, other);
        using ModelFile rotated = ModelFile.Open(other);
        Assert.Null(ActivationRanges.Read(rotated.Metadata));
    }

    private static ActivationRanges? Quantize(string name, string model, string path, string mix, bool isStatic = true)
    {
        QuantizationMethod method = new(name)
        {
            Text = Text,
            StaticActivations = isStatic,
            Calibration = new CalibrationOptions { Tokens = Chunks * Chunk, ChunkLength = Chunk },
            Grid = name == "gptq" ? columns => new IntegerGrid(8, columns, symmetric: true) : null,
        };
        using ModelFile file = ModelFile.Open(model);
        using Calibrator? calibrator = method.Calibrate(model, 2);
        QuantizationPlan plan = QuantizationPlan.Make(file, new QuantizationOptions { Mix = TypeMixes.Get(mix), Threads = 2 });
        ModelQuantizer.Run(plan, path, method.Create(plan, calibrator));
        using ModelFile written = ModelFile.Open(path);
        return ActivationRanges.Read(written.Metadata);
    }

    /// <summary>The largest magnitude of each map's inputs on the text that is calibrated on.</summary>
    private static Dictionary<string, float> Observe(string path)
    {
        Dictionary<string, float> seen = [];
        using Runner runner = Runner.Load(path, CalibrationText.Options(Chunk, 2) with
        {
            Wrap = ops => new ObservingOps(ops, (in inputs) =>
            {
                if (!inputs.Names[0].StartsWith("blk.", StringComparison.Ordinal) || inputs.Names[0].Contains("ffn_gate_inp", StringComparison.Ordinal))
                    return;
                float largest = 0;
                for (int row = 0; row < inputs.X.Rows; row++)
                {
                    foreach (float value in inputs.X[row])
                        largest = MathF.Max(largest, MathF.Abs(value));
                }
                foreach (string name in inputs.Names)
                    seen[name] = MathF.Max(seen.GetValueOrDefault(name), largest);
            }),
        });
        Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
        int[] tokens = tokenizer.Encode(Text);
        ChunkRunner chunks = new(runner, tokenizer.BosId);
        foreach (int start in CalibrationText.Starts(tokens.Length, Chunk, Chunks * Chunk))
            chunks.Run(tokens.AsSpan(start, Chunk));
        return seen;
    }
}
