using Sluice.Evaluation;

namespace Sluice.Compression;

/// <summary>
/// Layer-wise mixed precision: what quantizing each tensor to each type costs (<see cref="SensitivityMeter"/>), the best assignments for all
/// sizes (<see cref="Frontier"/>), and what models made of them really lose, on text that is held out of calibration.
/// </summary>
/// <remarks>
/// Losses are found with tensors rounded by the method; but for AWQ, whose scales change several tensors together, by rounding to nearest. Where
/// there is no importance matrix, rounding to nearest weights errors by the mean squares of the calibration inputs.
/// </remarks>
public sealed class MixedPrecision
{
    /// <summary>The share of the calibration text, at its end, that divergences are measured on.</summary>
    public const double HeldOut = 0.25;

    private readonly QuantizationPlan _plan;
    private readonly Calibrator _calibrator;
    private readonly QuantizationMethod _method;
    private readonly ReferencePredictions _reference;
    private readonly long _fixedBytes;

    private MixedPrecision(
        QuantizationPlan plan, Calibrator calibrator, QuantizationMethod method, ReferencePredictions reference, IReadOnlyList<TensorChoices> tensors)
    {
        (_plan, _calibrator, _method, _reference, Tensors) = (plan, calibrator, method, reference, tensors);
        _fixedBytes = plan.Tensors.Where(tensor => !tensor.IsFree).Sum(tensor => tensor.Bytes);
        Frontier = new Frontier(tensors.Select(tensor => tensor.Choices.Select(choice => (choice.Bytes, choice.Loss)).ToArray()));
    }

    /// <summary>The tensors whose types are found, with what each type costs.</summary>
    public IReadOnlyList<TensorChoices> Tensors { get; }

    /// <summary>The best assignments for these tensors.</summary>
    public Frontier Frontier { get; }

    /// <summary>Finds the losses and the frontier.</summary>
    /// <param name="plan">The model; its free tensors get types.</param>
    /// <param name="calibrator">Of <see cref="QuantizationMethod.Calibrate"/>, with text held out.</param>
    /// <param name="method">How tensors are rounded.</param>
    /// <param name="options">Choices.</param>
    /// <param name="progress">Told what is done, and which share of it.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="InvalidOperationException">No tensor is free.</exception>
    public static MixedPrecision Find(
        QuantizationPlan plan, Calibrator calibrator, QuantizationMethod method, MixedPrecisionOptions options,
        Action<string, float>? progress = null, CancellationToken cancellation = default)
    {
        if (!plan.Tensors.Any(tensor => tensor.IsFree))
            throw new InvalidOperationException($"{plan.File.Path} has no tensor whose type is to be chosen.");
        // Text is at hand, so that errors can go where they cost least.
        bool addsImportance = plan.Options.Importance is null;
        if (addsImportance)
            plan = plan.With(new ImportanceMatrix(method.Calibration.ChunkLength));
        progress?.Invoke("Reference", 0);
        int length = method.Calibration.ChunkLength;
        long fit = method.Calibration.Memory / ReferencePredictions.Bytes(length, calibrator.Runner.Model.Config.Vocabulary) * length;
        ReferencePredictions reference = new(calibrator.Runner, calibrator.HeldOut((int)Math.Min(options.Tokens, fit)), calibrator.Bos, cancellation);
        ITensorQuantizer rounding = method.IsByTensor ? method.Create(plan, calibrator) : new NearestQuantizer();
        SensitivityMeter meter = new(plan, calibrator, rounding, options, addsImportance);
        return new MixedPrecision(plan, calibrator, method, reference, meter.Measure(reference, progress, cancellation));
    }

    /// <summary>The types at a point of the frontier.</summary>
    public QuantizationPlan PlanAt(int point) => _plan.With(
        Frontier.Choices(point).Zip(Tensors, (choice, tensor) => (tensor.Tensor.Name, tensor.Choices[choice].Format))
            .ToDictionary(entry => entry.Name, entry => entry.Format));

    /// <summary>The bytes of all tensors at a point of the frontier.</summary>
    public long BytesAt(int point) => _fixedBytes + Frontier.Points[point].Bytes;

    /// <summary>The best point with so many bits of a weight, all tensors counted.</summary>
    /// <exception cref="ArgumentException">The types are too large for that.</exception>
    public int WithinBits(double bitsPerWeight)
    {
        double weights = _plan.Tensors.Sum(tensor => (double)tensor.Tensor.Count);
        int point = Frontier.Within((long)Math.Floor(bitsPerWeight * weights / 8) - _fixedBytes);
        return point >= 0 ? point : throw new ArgumentException(FormattableString.Invariant(
            $"{bitsPerWeight} bits per weight are too few for these types: the smallest model has {Math.Ceiling(BytesAt(0) * 8e4 / weights) / 1e4}."));
    }

    /// <summary>The best point whose file has so many bytes.</summary>
    /// <exception cref="ArgumentException">The types are too large for that.</exception>
    public int WithinFile(long bytes)
    {
        // What is beside the tensors has about the same size at all points; tensors may be padded.
        int point = Frontier.Within(bytes - FileBytes(0) + Frontier.Points[0].Bytes + MostPadding);
        while (point >= 0 && FileBytes(point) > bytes)
            point--;
        return point >= 0 ? point : throw new ArgumentException(
            $"{bytes:N0} bytes are too few for these types: the smallest file has {FileBytes(0):N0}.");
    }

    /// <summary>Measures a model that was written, on the held-out text.</summary>
    public Divergence Measure(string path, CancellationToken cancellation = default)
    {
        using Runner runner = Runner.Load(path, _calibrator.Runner.Options with { Wrap = null });
        return _reference.Measure(runner, cancellation);
    }

    /// <summary>Writes the model of a point of the frontier.</summary>
    /// <inheritdoc cref="ModelQuantizer.Run"/>
    public IReadOnlyList<string> Write(int point, string path, Action<TensorPlan, double>? progress = null, CancellationToken cancellation = default)
    {
        QuantizationPlan plan = PlanAt(point);
        return ModelQuantizer.Run(plan, path, _method.Create(plan, _calibrator), progress, cancellation);
    }

    /// <summary>
    /// The smallest point whose model really diverges by no more than a limit, two standard errors included, found by writing and measuring
    /// some of them.
    /// </summary>
    /// <param name="most">The mean divergence, in nats.</param>
    /// <param name="path">A file to write them to, which is deleted.</param>
    /// <param name="progress">Told the tensor that is worked on and the share that is done.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="ArgumentException">No type is good enough for that.</exception>
    public int WithinDivergence(double most, string path, Action<TensorPlan, double>? progress = null, CancellationToken cancellation = default)
    {
        return DivergenceSearch.Smallest(Frontier, most, point =>
        {
            IReadOnlyList<string> written = Write(point, path, progress, cancellation);
            try
            {
                Divergence measured = Measure(written[0], cancellation);
                return measured.Mean + 2 * measured.StandardError;
            }
            finally
            {
                foreach (string file in written)
                    File.Delete(file);
            }
        });
    }

    /// <summary>With what AWQ writes to the metadata, whatever factors it will find.</summary>
    private long FileBytes(int point) => ModelQuantizer.FileBytes(
        PlanAt(point), _method.IsByTensor ? null : new FoldingQuantizer(new FoldedFactors(_plan.File), new NearestQuantizer()));

    private long MostPadding => 64L * _plan.Tensors.Count;
}
