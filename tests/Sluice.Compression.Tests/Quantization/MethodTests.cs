using Sluice.Evaluation;
using Sluice.Files;
using Sluice.TestData;
using Sluice.Tokenizers;

namespace Sluice.Compression.Tests;

/// <summary>What the methods make of a small trained model, by its perplexity on text that they were not calibrated on.</summary>
public class MethodTests(ITestOutputHelper output)
{
    private const int CalibrationTokens = 2048;
    private static readonly string Corpus = File.ReadAllText(SharedFiles.Shared("corpora", "tinystories-sample.txt"));

    /// <summary>From the second quarter on: the first 10 chunks are evaluated.</summary>
    private static string CalibrationText => Corpus[(Corpus.Length / 4)..];

    /// <summary>As many characters as the first 10 chunks need.</summary>
    private static string Evaluated => Corpus.Remove(40_000);

    [Theory]
    [InlineData("gptq", "Q4_0", 3.90)]
    [InlineData("awq", "Q4_0", 3.93)]
    [InlineData("gptq", "Q3_K_M", 3.95)]
    [InlineData("smoothquant", "Q8_0", 3.76)]
    public void Perplexity_is_low(string method, string mix, double most)
    {
        double perplexity = Quantize("stories260K-w256-hd64-f32.gguf", new QuantizationMethod(method), mix);
        output.WriteLine($"{mix} by {method}: {perplexity:F4}");
        Assert.True(perplexity <= most, $"{perplexity} is more than {most}");
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public void Gptq_and_awq_beat_rounding_to_nearest(int bits)
    {
        static GridFactory Grid(int bits) => columns => new IntegerGrid(bits, 64, symmetric: false);
        double[] found = [.. new[] { "rtn", "gptq", "awq" }.Select(method =>
            Quantize("stories260K-w256-hd64-f32.gguf", new QuantizationMethod(method) { Grid = Grid(bits) }, "F32"))];
        output.WriteLine($"{bits} bits in groups of 64: rtn {found[0]:F4}, gptq {found[1]:F4}, awq {found[2]:F4}");
        Assert.True(found[1] < found[0] && found[2] < found[0]);
    }

    [Fact]
    public void Experts_are_calibrated_each_with_its_own_inputs()
    {
        const string model = "stories260K-moe8x2-w256-hd64-f32.gguf";
        double nearest = Quantize(model, new QuantizationMethod("rtn"), "Q4_0"), gptq = Quantize(model, new QuantizationMethod("gptq"), "Q4_0");
        output.WriteLine($"Experts in Q4_0: rtn {nearest:F4}, gptq {gptq:F4}");
        Assert.True(gptq < nearest - 0.05, $"{gptq} is not well below {nearest}");
    }

    [Fact]
    public void Little_memory_changes_nothing_but_the_number_of_runs()
    {
        QuantizationMethod method = new("gptq") { Calibration = new CalibrationOptions { Tokens = 1024 } };
        byte[] all = Write("stories260K-w256-hd64-f32.gguf", method, "Q4_0");
        byte[] few = Write("stories260K-w256-hd64-f32.gguf", method with { Calibration = method.Calibration with { Memory = 1 << 20 } }, "Q4_0");
        Assert.Equal(all, few);
    }

    [Fact]
    public void A_short_text_is_refused()
    {
        string path = SharedFiles.Shared("models", "stories260K-w256-hd64-f32.gguf");
        ArgumentException error = Assert.Throws<ArgumentException>(() => new QuantizationMethod("gptq") { Text = "Once upon a time" }.Calibrate(path, 2));
        Assert.Contains("less than a chunk of 512", error.Message);
    }

    [Fact]
    public void Formats_whose_weights_share_codes_are_refused() =>
        Assert.Contains("IQ2_XXS", Assert.Throws<NotSupportedException>(() =>
            Write("stories260K-w256-hd64-f32.gguf", new QuantizationMethod("gptq") { Calibration = new CalibrationOptions { Tokens = 512 } }, "IQ2_XXS")).Message);

    private static double Quantize(string name, QuantizationMethod method, string mix) => Use(name, method, mix, path =>
    {
        using Runner runner = Runner.Load(path, new EngineOptions { Threads = 2, Context = 512, Sequences = 1, PrefixCache = false });
        Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
        return Perplexity.Measure(runner, tokenizer.Encode(Evaluated), tokenizer.AddsBos ? tokenizer.BosId : null, 512, 10).Value;
    });

    private static byte[] Write(string name, QuantizationMethod method, string mix) => Use(name, method, mix, File.ReadAllBytes);

    private static T Use<T>(string name, QuantizationMethod method, string mix, Func<string, T> use)
    {
        string model = SharedFiles.Shared("models", name), path = Path.Combine(Path.GetTempPath(), $"sluice-{Guid.NewGuid():N}.gguf");
        method = method with { Text = CalibrationText };
        if (method.Calibration.Tokens > CalibrationTokens)
            method = method with { Calibration = method.Calibration with { Tokens = CalibrationTokens } };
        try
        {
            using ModelFile file = ModelFile.Open(model);
            using Calibrator? calibrator = method.Calibrate(model, 2);
            QuantizationPlan plan = QuantizationPlan.Make(file, new QuantizationOptions { Mix = TypeMixes.Get(mix), Threads = 2 });
            ModelQuantizer.Run(plan, path, method.Create(plan, calibrator));
            return use(path);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
