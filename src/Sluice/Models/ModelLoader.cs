using Sluice.Cache;
using Sluice.Files;
using Sluice.Tensors;
using Sluice.Tensors.Formats;

namespace Sluice.Models;

/// <summary>
/// Hands a model file's tensors to an architecture, checked against the shapes that it expects, and made ready by
/// <see cref="Ops"/>.
/// </summary>
public sealed class ModelLoader
{
    private readonly ModelFile _file;
    private readonly IProgress<float>? _progress;
    private readonly long _totalBytes;
    private readonly Dictionary<string, LinearMap> _linearMaps = new(StringComparer.Ordinal);
    private readonly ActivationThresholds? _thresholds;
    private readonly ActivationRanges? _ranges;
    private readonly IReadOnlySet<string> _rotated;
    private readonly float _sparsity;
    private long _loadedBytes;

    internal ModelLoader(ModelFile file, Ops ops, ModelOptions options, IProgress<float>? progress)
    {
        (_file, Ops, Options, _progress) = (file, ops, options, progress);
        Config = new ModelConfig(file);
        _totalBytes = Math.Max(1, file.TensorBytes);
        _thresholds = options.Thresholds ?? ActivationThresholds.Read(file.Metadata);
        _sparsity = options.Sparsity ?? _thresholds?.Level ?? 0;
        if (_sparsity > 0 && _thresholds is null)
            throw new InvalidDataException($"{file.Path} has no thresholds of activations; 'sluice sparsify' finds them.");
        _rotated = RotatedInputs.Read(file.Metadata);
        _ranges = ActivationRanges.Read(file.Metadata);
        if (ops.Activations.IsStatic() && _ranges is null)
            throw new InvalidDataException($"{file.Path} has no ranges of activations for static scales; 'sluice quantize --static-activations' finds them.");
    }

    /// <summary>The numbers of the model.</summary>
    public ModelConfig Config { get; }

    /// <summary>What makes the weights ready, and runs them.</summary>
    public Ops Ops { get; }

    /// <summary>The caller's choices.</summary>
    public ModelOptions Options { get; }

    /// <summary>The bytes that what was loaded takes in memory.</summary>
    internal long WeightBytes { get; private set; }

    /// <summary>The bytes of tensors that are read where they are, in the mapped file, as rows of them are needed.</summary>
    internal long MappedBytes { get; private set; }

    /// <summary>What was loaded as linear maps, by the names of the tensors.</summary>
    internal IReadOnlyDictionary<string, LinearMap> LinearMaps => _linearMaps;

    /// <summary>Whether the file has a tensor.</summary>
    public bool Has(string name) => _file.Tensors.ContainsKey(name);

    /// <summary>A matrix that maps <paramref name="columns"/> inputs to <paramref name="rows"/> outputs.</summary>
    public Weight Matrix(string name, int columns, int rows) => Matrix(columns, (name, rows));

    /// <summary>Matrices of equal input, run as one: their outputs stand side by side.</summary>
    public Weight Matrix(int columns, params ReadOnlySpan<(string Name, int Rows)> parts) => Load(columns, 1, parts);

    /// <summary>A matrix for each expert.</summary>
    public Weight Experts(int columns, int experts, params ReadOnlySpan<(string Name, int Rows)> parts) => Load(columns, experts, parts);

    /// <summary>A vector of float32.</summary>
    public Tensor Vector(string name, int length) => Table(name, length, 1);

    /// <summary>A vector of float32, or none where the file does not have it.</summary>
    public Tensor OptionalVector(string name, int length) => Has(name) ? Vector(name, length) : default;

    /// <summary>Vectors side by side, or none where the file has none of them.</summary>
    /// <exception cref="InvalidDataException">Some are there and some are not.</exception>
    public Tensor OptionalVectors(params ReadOnlySpan<(string Name, int Length)> parts)
    {
        int total = 0, present = 0;
        foreach ((string name, int length) in parts)
        {
            total += length;
            present += Has(name) ? 1 : 0;
        }
        if (present == 0)
            return default;
        float[] values = new float[total];
        int start = 0;
        foreach ((string name, int length) in parts)
        {
            WeightData data = Find(name, length, 1, 1);
            data.Format.Dequantize(data.Row(0), values.AsSpan(start, length));
            start += length;
        }
        WeightBytes += (long)total * sizeof(float);
        return Ops.LoadVector(values);
    }

    /// <summary>A small matrix of float32 [rows, columns].</summary>
    public Tensor Table(string name, int columns, int rows)
    {
        WeightBytes += (long)columns * rows * sizeof(float);
        return Ops.LoadTensor(Find(name, columns, rows, 1));
    }

    /// <summary>A tensor as it is stored, for rows that are looked up; or a linear map, whose columns may have an order.</summary>
    public WeightData Stored(string name, int columns, int rows, int experts, bool isMap = false)
    {
        WeightData data = Find(name, columns, rows, experts, isMap);
        MappedBytes += _file.Tensor(name).Bytes;
        return data;
    }

    private WeightData Find(string name, int columns, int rows, int experts, bool isMap = false)
    {
        TensorInfo info = _file.Tensor(name);
        ReadOnlySpan<long> expected = experts == 1 ? [columns, rows] : [columns, rows, experts];
        ReadOnlySpan<long> shape = info.Shape;
        // GGUF leaves out trailing dimensions of 1.
        while (expected.Length > 1 && expected[^1] == 1)
            expected = expected[..^1];
        while (shape.Length > 1 && shape[^1] == 1)
            shape = shape[..^1];
        if (!shape.SequenceEqual(expected))
            throw new InvalidDataException($"{_file.Path}: tensor '{name}' is [{string.Join(", ", info.Shape)}]; the metadata asks for [{string.Join(", ", expected.ToArray())}].");
        WeightFormat format = WeightFormats.Find(info.Type)
            ?? throw new NotSupportedException($"{_file.Path}: tensor '{name}' is of type {info.Type}, which is not a weight format.");
        WeightData data = WeightData.FromMap(name, format, columns, rows, experts, info.Data);
        if (info.ColumnOrder is null)
            return data;
        return isMap
            ? data.InOrder(info.ColumnOrder)
            : throw new NotSupportedException($"{_file.Path}: tensor '{name}' is no linear map, yet its columns have an order.");
    }

    /// <summary>Refuses a model of which something was not read: it would compute something else than its makers meant.</summary>
    /// <exception cref="NotSupportedException">A key of the architecture or a tensor is unknown; the message names it.</exception>
    internal void CheckAllRead()
    {
        string? key = Config.Metadata.UnreadKeys.FirstOrDefault(key => key.StartsWith(Config.Architecture + ".", StringComparison.Ordinal));
        if (key is not null)
            throw new NotSupportedException($"{_file.Path}: metadata key '{key}' is not implemented for {Config.Architecture} models.");
        string? unknown = _thresholds?.Tensors.FirstOrDefault(name => !_linearMaps.ContainsKey(name));
        if (unknown is not null)
            throw new InvalidDataException($"{_file.Path}: there are thresholds of activations for '{unknown}', which is no linear map.");
        unknown = _ranges?.Maps.FirstOrDefault(name => !_linearMaps.ContainsKey(name));
        if (unknown is not null)
            throw new InvalidDataException($"{_file.Path}: there is a range of activations for '{unknown}', which is no linear map.");
        unknown = _rotated.FirstOrDefault(name => !_linearMaps.ContainsKey(name));
        if (unknown is not null)
            throw new InvalidDataException($"{_file.Path}: the inputs of '{unknown}' are to be rotated, which is no linear map.");
        string? tensor = _file.UnreadTensors.FirstOrDefault();
        if (tensor is not null)
            throw new NotSupportedException($"{_file.Path}: tensor '{tensor}' is not implemented for {Config.Architecture} models.");
        _progress?.Report(1);
    }

    private Weight Load(int columns, int experts, ReadOnlySpan<(string Name, int Rows)> parts)
    {
        WeightData[] data = new WeightData[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            data[i] = Find(parts[i].Name, columns, parts[i].Rows, experts, isMap: true);
            if (_rotated.Contains(parts[i].Name))
                data[i] = data[i].WithRotation();
            if (_sparsity > 0)
                data[i] = data[i].WithThreshold(_thresholds!.ThresholdOf(parts[i].Name, _sparsity), _thresholds.ShareOf(parts[i].Name, _sparsity));
            if (_ranges is not null)
                data[i] = data[i].WithInputRange(_ranges.Of(parts[i].Name));
        }
        Weight weight = Ops.LoadWeight(data);
        WeightBytes += weight.Bytes;
        int row = 0;
        foreach ((string name, int rows) in parts)
        {
            // A model whose output map is the embedding table again has an output map all the same.
            _linearMaps.TryAdd(name == "token_embd.weight" ? "output.weight" : name, new LinearMap(weight, row, rows));
            row += rows;
            TensorInfo info = _file.Tensor(name);
            info.Release();
            _loadedBytes += info.Bytes;
        }
        _progress?.Report((float)_loadedBytes / _totalBytes);
        return weight;
    }
}

/// <summary>Where a stored matrix is now: rows of a weight that perhaps joins several.</summary>
/// <param name="Weight">The weight.</param>
/// <param name="FirstRow">Its first row there.</param>
/// <param name="Rows">Its rows.</param>
internal readonly record struct LinearMap(Weight Weight, int FirstRow, int Rows);

/// <summary>Choices that shape a model when it is loaded.</summary>
/// <param name="Context">The tokens that a sequence may have, or 0 for what the model was trained for.</param>
/// <param name="Retention">Keeps every full-attention layer to a window (and sinks); full by default.</param>
public readonly record struct ModelOptions(int Context = 0, Retention Retention = default)
{
    /// <summary>The share of inputs of linear maps that shall count as zero; null for what the thresholds are meant for.</summary>
    public float? Sparsity { get; init; }

    /// <summary>Thresholds in place of those that the file has.</summary>
    public ActivationThresholds? Thresholds { get; init; }
}
