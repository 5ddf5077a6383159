using Sluice.Files;
using Sluice.Tensors.Formats;

namespace Sluice.Compression;

/// <summary>
/// Writes the model of a Hugging Face folder as a checkpoint of GPTQ, AWQ or FP8 for the field's loaders, its maps rounded by a method to just
/// what the layout stores: half-precision scales, zero points that its readers agree on.
/// </summary>
public sealed class CheckpointExporter
{
    private readonly ExportOptions _options;

    /// <summary>Checks what is asked for.</summary>
    /// <exception cref="ArgumentException">There is no such layout or method, or they do not go together; the message says what there is.</exception>
    public CheckpointExporter(ExportOptions options)
    {
        _options = options;
        QuantizationMethod method = options.Method;
        if (!QuantizationMethod.OfIntegers.Contains(method.Name))
            throw new ArgumentException($"Checkpoints are written by {string.Join(", ", QuantizationMethod.OfIntegers)}, not by {method.Name}.", nameof(options));
        if (options.Layout == "awq" && HasOrder)
            throw new ArgumentException("AWQ's checkpoints have groups of columns side by side: act-order needs static groups there.", nameof(options));
        if (Layout(hasOrder: false).Name == "fp8" && method.Name != "rtn")
            throw new ArgumentException($"Weights of fp8 are rounded to nearest; {method.Name} is for layouts of integers.", nameof(options));
    }

    /// <summary>Whether a map's groups may be other than columns side by side.</summary>
    private bool HasOrder => _options.Method is { ActOrder: true, StaticGroups: false };

    /// <summary>Writes a folder.</summary>
    /// <param name="source">The folder of the model.</param>
    /// <param name="target">A folder that does not exist; it appears when it is whole.</param>
    /// <param name="progress">Told what is done, and which share of it.</param>
    /// <param name="cancellation">Stops the work; nothing is left behind.</param>
    /// <exception cref="ArgumentException">The calibration text is shorter than a chunk.</exception>
    /// <exception cref="InvalidDataException">The model is damaged, or has weights or integers that the layout cannot hold; the message names the tensor.</exception>
    /// <exception cref="InvalidOperationException">A map is quantized already and the options do not allow it again.</exception>
    /// <exception cref="IOException">The target exists, or cannot be written.</exception>
    /// <exception cref="NotSupportedException">The source is no Hugging Face folder that Sluice reads, or a map's shape does not fit the layout.</exception>
    public ExportResult Run(string source, string target, Action<string, float>? progress = null, CancellationToken cancellation = default)
    {
        CheckpointWriter.Check(source, target, Layout(hasOrder: false));
        using ModelFile model = ModelFile.Open(source);
        TensorInfo[] maps = [.. CheckpointWriter.Maps(model)];
        CheckpointLayout layout = Layout(hasOrder: Array.Exists(maps, map => map.ColumnOrder is not null));
        foreach (TensorInfo map in maps)
            Check(source, map);
        if (_options.Method.Text is not null)
            WeightCheck.Check(model.Tensors.Values.Select(tensor => (tensor, WeightFormats.Get(TensorType.F32))), _options.Threads, cancellation);
        Action<string, float> report = progress ?? ((_, _) => { });
        using RoundedContents contents = new(model, layout, _options, report, cancellation);
        CheckpointWriter.Write(source, target, layout, contents, new Writing(report), cancellation);
        return contents.Result;
    }

    /// <param name="hasOrder">Whether the model's own integers have an order, which only rtn keeps.</param>
    private CheckpointLayout Layout(bool hasOrder)
    {
        QuantizationMethod method = _options.Method;
        bool isGptq = method.Name == "gptq", isAwqLayout = _options.Layout == "awq";
        return CheckpointLayout.Create(
            _options.Layout, _options.Bits, _options.GroupSize, _options.IsSymmetric,
            !isAwqLayout && (isGptq ? method.ActOrder : hasOrder && method.Name == "rtn"),
            isGptq ? new GptqOrigin(method.Damping, method.StaticGroups) : null);
    }

    private void Check(string source, TensorInfo map)
    {
        (long columns, int group) = (map.Shape[0], _options.GroupSize);
        bool hasGroups = _options.Layout != "fp8" && group != -1 && group < columns;
        if (hasGroups)
            Grids.CheckGroups(map, group);
        // To nearest, integers of the layout's kind are kept; those of another kind are found when their turn comes.
        if (_options.Method.Name != "rtn" || _options.Layout == "fp8")
            CheckMayRound(source, map, _options);
    }

    /// <summary>Checks that a map is not quantized already, or may be quantized again.</summary>
    internal static void CheckMayRound(string source, TensorInfo map, ExportOptions options)
    {
        if (WeightFormats.Get(map.Type).BlockSize > 1 && !options.MayRequantize)
        {
            throw new InvalidOperationException(
                $"{source} is quantized already: tensor '{map.Name}' is {map.TypeName}. Quantizing again adds error to error; --requantize does it all the same.");
        }
    }

    private sealed class Writing(Action<string, float> report) : IProgress<float>
    {
        public void Report(float value) => report("Writing", value);
    }
}
