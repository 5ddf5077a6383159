using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>A method of quantization by name, with its choices.</summary>
/// <param name="Name">One of <see cref="Names"/>.</param>
public sealed record QuantizationMethod(string Name)
{
    private const int SamplesOfSmoothQuant = 256;

    /// <summary>The methods.</summary>
    public static IReadOnlyList<string> Names { get; } = ["rtn", "gptq", "awq", "smoothquant"];

    /// <summary>Those that round weights one by one, to a grid of integers too.</summary>
    public static IReadOnlyList<string> OfIntegers { get; } = ["rtn", "gptq", "awq"];

    /// <summary>What all but rtn calibrate on.</summary>
    public string? Text { get; init; }

    /// <summary>How.</summary>
    public CalibrationOptions Calibration { get; init; } = new();

    /// <summary>What the layers' weights are rounded to; null for the blocks of the formats they are written in.</summary>
    public GridFactory? Grid { get; init; }

    /// <summary>As of <see cref="GptqFactor.Create"/>.</summary>
    public bool ActOrder { get; init; }

    /// <summary>As of <see cref="Gptq.Round"/>.</summary>
    public bool StaticGroups { get; init; }

    /// <summary>As of <see cref="GptqFactor.Create"/>.</summary>
    public float Damping { get; init; } = 0.01f;

    /// <summary>Whether ranges of the maps' inputs are measured on the text and written too, for static scales of activations.</summary>
    public bool StaticActivations { get; init; }

    /// <summary>Whether it rounds each tensor alone, and changes no other.</summary>
    public bool IsByTensor => Name is "rtn" or "gptq";

    /// <summary>Whether it can write a type: GPTQ and AWQ round weights one by one, which types that share codes do not allow.</summary>
    public bool CanWrite(WeightFormat format) => Name == "rtn" || format.Integer is null || BlockGrid.Exists(format);

    /// <summary>Refuses a plan that the method cannot follow, before any text is run for it.</summary>
    /// <param name="plan">The plan; where text is to be run, all of the model is read.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="NotSupportedException">A tensor shall get a type that the method cannot write, or groups that do not divide its rows; the message names both.</exception>
    /// <exception cref="InvalidDataException">The model is to be run, and a weight is no finite number; the message names the tensor.</exception>
    public void Check(QuantizationPlan plan, CancellationToken cancellation = default)
    {
        // Integers are for all maps, blocks for those whose type changes.
        bool RoundsTo(TensorPlan tensor) => Grid is not null
            || (Name is "gptq" or "awq" && tensor.IsConverted && tensor.Tensor.Name != FoldRules.Embedding);
        foreach (TensorPlan tensor in plan.Tensors.Where(RoundsTo))
            Grids.For(tensor.Tensor, tensor.Format, Grid);
        if (Text is not null)
            WeightCheck.Check(plan.Tensors.Where(tensor => tensor.Format is not null).Select(tensor => (tensor.Tensor, tensor.Format!)), plan.Options.Threads, cancellation);
    }

    /// <summary>Loads what the method calibrates with; null for rtn, unless activations are measured, or text is held out for measurements.</summary>
    /// <param name="model">The model's file or folder.</param>
    /// <param name="threads">Threads; 0 for one on each physical core.</param>
    /// <param name="progress">Told what is done, and which share of it.</param>
    /// <param name="cancellation">Stops it.</param>
    public Calibrator? Calibrate(string model, int threads = 0, Action<string, float>? progress = null, CancellationToken cancellation = default)
    {
        if (Name == "rtn" && !StaticActivations && Calibration.HeldOut == 0)
            return null;
        CalibrationOptions options = Calibration with { Threads = threads, Samples = Name == "smoothquant" ? SamplesOfSmoothQuant : 0 };
        return new Calibrator(model, Text ?? throw new InvalidOperationException($"{Name} needs a text to calibrate on."), options, progress, cancellation);
    }

    /// <summary>Makes the method ready for a model.</summary>
    /// <param name="plan">What becomes of each tensor.</param>
    /// <param name="calibrator">Of <see cref="Calibrate"/>.</param>
    public ITensorQuantizer Create(QuantizationPlan plan, Calibrator? calibrator)
    {
        Dictionary<string, WeightFormat?> formats = plan.Tensors.ToDictionary(tensor => tensor.Tensor.Name, tensor => tensor.Format);
        return Create(plan.File, tensor => formats[tensor.Name], calibrator);
    }

    /// <summary>Makes the method ready for a model.</summary>
    /// <param name="file">The model.</param>
    /// <param name="format">What a tensor becomes, null for one that is copied.</param>
    /// <param name="calibrator">Of <see cref="Calibrate"/>.</param>
    internal ITensorQuantizer Create(ModelFile file, Func<TensorInfo, WeightFormat?> format, Calibrator? calibrator)
    {
        ITensorQuantizer method = Name switch
        {
            "rtn" => Grid is null ? new NearestQuantizer() : new GridQuantizer(Grid),
            "gptq" => new GptqQuantizer(calibrator!, Damping, ActOrder, Grid, StaticGroups),
            "awq" => AwqQuantizer.Create(file, format, calibrator!, Grid),
            "smoothquant" => SmoothQuantQuantizer.Create(
                file, calibrator!, StaticActivations ? ActivationRounding.PerTensor : ActivationRounding.PerGroup),
            _ => throw new NotSupportedException($"There is no method {Name}; there are {string.Join(", ", Names)}."),
        };
        return StaticActivations ? new StaticScaleQuantizer(method, InputRanges.Measure(file, calibrator!, method)) : method;
    }
}
