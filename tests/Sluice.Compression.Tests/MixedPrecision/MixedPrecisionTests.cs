using Sluice.Evaluation;
using Sluice.Files;
using Sluice.Tensors.Formats;
using Sluice.TestData;
using Sluice.Tokenizers;

namespace Sluice.Compression.Tests;

/// <summary>Mixed precision of small trained models: calibrated on one part of a corpus, judged on another.</summary>
public class MixedPrecisionTests(ITestOutputHelper output)
{
    private const string Wide = "stories260K-w256-hd64-f32.gguf", Baby = "babyllama361-f32.gguf";
    private const int Length = 256;

    private static string Corpus => File.ReadAllText(SharedFiles.Shared("corpora", "tinystories-sample.txt"));

    [Theory]
    [InlineData("rtn", "Q2_K", "Q3_K_M")]
    [InlineData("gptq", "Q2_K", "Q3_K_M")]
    public void It_beats_fixed_mixes_of_the_same_size(string method, params string[] mixes) => Use(Wide, method, new MixedPrecisionOptions { Tokens = 1024 }, (mixed, plan, rounding) =>
    {
        foreach (string mix in mixes)
            Compare(mixed, plan, rounding, $"{mix} by {method}", mix);
    });

    [Fact]
    public void Targets_are_kept_to_the_byte() => Use(Baby, "rtn", new MixedPrecisionOptions { Tokens = 256 }, (mixed, plan, _) =>
    {
        using TemporaryFolder folder = new();
        double weights = plan.Tensors.Sum(tensor => (double)tensor.Tensor.Count);
        double last = double.PositiveInfinity;
        foreach (double bits in (double[])[4.5, 4.75, 5.25, 6.5])
        {
            int point = mixed.WithinBits(bits);
            QuantizationPlan made = mixed.PlanAt(point);
            Assert.Equal(mixed.BytesAt(point), made.Bytes);
            Assert.True(8 * made.Bytes / weights <= bits && 8 * mixed.BytesAt(point + 1) / weights > bits);
            Assert.True(mixed.Frontier.Points[point].Loss < last);
            last = mixed.Frontier.Points[point].Loss;

            // The very size fits, and a byte less does not.
            long bytes = ModelQuantizer.FileBytes(made);
            string path = folder.File($"{point}.gguf");
            Assert.Equal(point, mixed.WithinFile(bytes));
            int less = mixed.WithinFile(bytes - 1);
            Assert.True(less < point);
            mixed.Write(less, path);
            Assert.True(new FileInfo(path).Length < bytes);
            Assert.Equal(ModelQuantizer.FileBytes(mixed.PlanAt(less)), new FileInfo(path).Length);
        }
        Assert.Contains("too few", Assert.Throws<ArgumentException>(() => mixed.WithinBits(3)).Message);
        Assert.Contains("too few", Assert.Throws<ArgumentException>(() => mixed.WithinFile(1000)).Message);
    });

    /// <summary>AWQ says of itself in the metadata that it folded scales.</summary>
    [Fact]
    public void A_target_size_counts_what_the_method_says_of_itself() => Use(Baby, "awq", new MixedPrecisionOptions { Tokens = 256 }, (mixed, _, _) =>
    {
        using TemporaryFolder folder = new();
        long bytes = ModelQuantizer.FileBytes(mixed.PlanAt(mixed.WithinBits(5)));
        mixed.Write(mixed.WithinFile(bytes), folder.File("mixed.gguf"));
        Assert.InRange(new FileInfo(folder.File("mixed.gguf")).Length, 0.9 * bytes, bytes);
    });

    [Fact]
    public void The_fast_estimate_ranks_tensors_and_types_as_measurements_do()
    {
        Dictionary<(string, TensorType), double> fast = [], measured = [];
        foreach ((Sensitivity sensitivity, var found) in new[] { (Sensitivity.Fast, fast), (Sensitivity.Kl, measured) })
        {
            Use(Baby, "rtn", new MixedPrecisionOptions { Tokens = 1024, Sensitivity = sensitivity }, (mixed, _, _) =>
            {
                foreach (TensorChoices tensor in mixed.Tensors)
                {
                    foreach (TypeChoice choice in tensor.Choices)
                        found.Add((tensor.Tensor.Name, choice.Format.Type), choice.Loss);
                }
            });
        }
        var both = fast.Keys.Intersect(measured.Keys).ToArray();
        Assert.True(both.Length > 100);
        double correlation = Correlation(Ranks([.. both.Select(key => fast[key])]), Ranks([.. both.Select(key => measured[key])]));
        output.WriteLine($"Rank correlation of {both.Length} losses: {correlation:F3}");
        Assert.True(correlation > 0.95, $"{correlation}");
        double ratio = both.Average(key => Math.Log(fast[key] / measured[key]));
        Assert.InRange(ratio, -0.3, 0.3);
    }

    [Fact]
    public void A_largest_divergence_holds_on_other_text() => Use(Baby, "rtn", new MixedPrecisionOptions { Tokens = 4096 }, (mixed, _, _) =>
    {
        using TemporaryFolder folder = new();
        const double Most = 0.01;
        int point = mixed.WithinDivergence(Most, folder.File("trial.gguf"));
        Assert.Empty(folder.Names);
        mixed.Write(point, folder.File("mixed.gguf"));
        Divergence own = mixed.Measure(folder.File("mixed.gguf")), other = Judge(folder.File("mixed.gguf"), Baby);
        output.WriteLine($"KL of at most {Most}: {own.Mean:F5} +/- {own.StandardError:F5} on held-out text, {other.Mean:F5} +/- {other.StandardError:F5} on other text");
        Assert.InRange(own.Mean + 2 * own.StandardError, 0.8 * Most, Most);
        Assert.InRange(other.Mean, 0, Most);
    });

    [Fact]
    public void A_ternary_model_is_found_to_be_one() => Use("bitllama-3M-f32.gguf", "rtn", new MixedPrecisionOptions { Tokens = 512 }, (mixed, _, _) =>
        Assert.All(mixed.PlanAt(mixed.Frontier.WithLoss(0.001)).Tensors.Where(tensor => tensor.IsFree && tensor.Tensor.Name.StartsWith("blk.", StringComparison.Ordinal)), tensor =>
            Assert.Equal(TensorType.TQ2_0, tensor.Format!.Type)));

    [Fact]
    public void Tensors_that_were_given_a_type_keep_it() => Use(
        Baby, "rtn", new MixedPrecisionOptions { Tokens = 256, Types = [WeightFormats.Get("Q4_0"), WeightFormats.Get("Q5_0")] }, (mixed, plan, _) =>
        {
            Assert.Equal(TensorType.Q8_0, mixed.PlanAt(0).Tensors.Single(tensor => tensor.Tensor.Name == "token_embd.weight").Format!.Type);
            Assert.DoesNotContain(mixed.Tensors, tensor => tensor.Tensor.Name == "token_embd.weight");
            Assert.All(mixed.Tensors.SelectMany(tensor => tensor.Choices), choice => Assert.Contains(choice.Format.Type, new[] { TensorType.Q4_0, TensorType.Q5_0 }));
        }, new QuantizationOptions { Mix = Mixed, OutputType = TensorType.Q8_0, Threads = 2 });

    private static TypeMix Mixed { get; } = new("mixed", null, TensorType.Q8_0, []);

    private static void Use(
        string name, string methodName, MixedPrecisionOptions options, Action<MixedPrecision, QuantizationPlan, Func<QuantizationPlan, ITensorQuantizer>> use,
        QuantizationOptions? quantization = null)
    {
        string model = SharedFiles.Shared("models", name);
        QuantizationMethod method = new(methodName)
        {
            Text = Corpus[(Corpus.Length / 4)..],
            Calibration = new CalibrationOptions { Tokens = 2048, ChunkLength = Length, HeldOut = MixedPrecision.HeldOut },
        };
        using ModelFile file = ModelFile.Open(model);
        using Calibrator calibrator = method.Calibrate(model, 2)!;
        QuantizationPlan plan = QuantizationPlan.Make(file, quantization ?? new QuantizationOptions { Mix = Mixed, Threads = 2 });
        if (options.Types == MixedPrecisionOptions.DefaultTypes)
            options = options with { Types = [.. MixedPrecisionOptions.DefaultTypes.Where(method.CanWrite)] };
        use(MixedPrecision.Find(plan, calibrator, method, options), plan, other => method.Create(other, calibrator));
    }

    private void Compare(MixedPrecision mixed, QuantizationPlan plan, Func<QuantizationPlan, ITensorQuantizer> rounding, string what, string mix)
    {
        using TemporaryFolder folder = new();
        QuantizationPlan fixedMix = QuantizationPlan.Make(plan.File, new QuantizationOptions { Mix = TypeMixes.Get(mix), Threads = 2 });
        string of = folder.File("fixed.gguf"), own = folder.File("mixed.gguf");
        ModelQuantizer.Run(fixedMix, of, rounding(fixedMix));
        int point = mixed.WithinBits(8.0 * fixedMix.Bytes / plan.Tensors.Sum(tensor => tensor.Tensor.Count));
        mixed.Write(point, own);
        Assert.True(mixed.BytesAt(point) <= fixedMix.Bytes && new FileInfo(own).Length <= new FileInfo(of).Length + 64); // the name of the mix is in one
        Divergence before = Judge(of, Wide), after = Judge(own, Wide);
        output.WriteLine($"{what}: perplexity {before.Own.Value:F4}, KL {before.Mean:F5}; mixed {after.Own.Value:F4}, {after.Mean:F5}");
        Assert.True(after.Own.Value < before.Own.Value);
        Assert.True(after.Mean < 0.75 * before.Mean);
    }

    /// <summary>Measures on text of the first quarter, which nothing was calibrated on.</summary>
    private static Divergence Judge(string path, string reference)
    {
        EngineOptions options = new() { Threads = 2, Context = Length, Sequences = 1, PrefixCache = false };
        using Runner runner = Runner.Load(path, options);
        using Runner other = Runner.Load(SharedFiles.Shared("models", reference), options);
        Tokenizer tokenizer = Tokenizer.FromModel(runner.File);
        int[] tokens = tokenizer.Encode(Corpus.Remove(100_000));
        return Divergence.Measure(runner, other, tokens, tokenizer.AddsBos ? tokenizer.BosId : null, Length, 32);
    }

    private static double[] Ranks(double[] values)
    {
        double[] ranks = new double[values.Length];
        foreach ((int rank, int i) in Enumerable.Range(0, values.Length).OrderBy(i => values[i]).Index())
            ranks[i] = rank;
        return ranks;
    }

    private static double Correlation(double[] a, double[] b)
    {
        double meanA = a.Average(), meanB = b.Average();
        double both = a.Zip(b, (x, y) => (x - meanA) * (y - meanB)).Sum();
        return both / Math.Sqrt(a.Sum(x => (x - meanA) * (x - meanA)) * b.Sum(y => (y - meanB) * (y - meanB)));
    }
}
