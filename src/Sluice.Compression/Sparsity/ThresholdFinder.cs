using Sluice.Evaluation;
using Sluice.Files;
using Sluice.Tensors;
using Sluice.Tensors.Cpu;
using Sluice.Tokenizers;

namespace Sluice.Compression;

/// <summary>
/// Finds the thresholds of activation sparsity (Liu et al. 2024, TEAL) by running a model on text: those below which the wanted share of
/// a map's inputs lies. Maps that share their inputs share the threshold, so that they still run as one. Whatever the architecture: inputs
/// are shown by <see cref="ObservingOps"/>. Routers and the output map have no thresholds.
/// </summary>
public sealed class ThresholdFinder : IDisposable
{
    /// <summary>The highest level of the whole.</summary>
    public const float HighestLevel = 0.9f;

    private const int LevelCount = 18, ErrorCount = 10;

    private static readonly float[] Levels = [.. Enumerable.Range(1, LevelCount).Select(i => HighestLevel * i / LevelCount)];

    private readonly SparsityOptions _options;
    private readonly Runner _runner;
    private readonly List<Map> _maps = []; // as a token comes to them
    private Ops? _ops;
    private InputObserver _observer = (in _) => { };

    private ThresholdFinder(string model, SparsityOptions options)
    {
        if (!(options.Level is >= 0 and <= HighestLevel))
            throw new ArgumentException($"An activation sparsity of {options.Level} is not within 0 to {HighestLevel}.", nameof(options));
        _options = options;
        _runner = Runner.Load(model, CalibrationText.Options(options.ChunkLength, options.Threads) with
        {
            ActivationSparsity = 0,
            Wrap = ops => new ObservingOps(_ops = ops, (in inputs) => _observer(inputs)),
        });
    }

    /// <summary>Finds them on a text.</summary>
    /// <param name="model">A GGUF file or a Hugging Face folder.</param>
    /// <param name="text">Text such as the model will meet.</param>
    /// <param name="options">Choices; the defaults if null.</param>
    /// <param name="progress">Told what is done, and which share of it.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="ArgumentException">The text is shorter than a chunk, or the level is no share.</exception>
    public static ActivationThresholds Find(
        string model, string text, SparsityOptions? options = null, Action<string, float>? progress = null, CancellationToken cancellation = default)
    {
        using ThresholdFinder finder = new(model, options ?? new SparsityOptions());
        Tokenizer tokenizer = Tokenizer.FromModel(finder._runner.File);
        return finder.Find(tokenizer.Encode(text), tokenizer.StartId, progress, cancellation);
    }

    /// <summary>Finds them on tokens.</summary>
    /// <inheritdoc cref="Find(string, string, SparsityOptions, Action{string, float}, CancellationToken)"/>
    public static ActivationThresholds Find(
        string model, int[] tokens, SparsityOptions options, Action<string, float>? progress = null, CancellationToken cancellation = default)
    {
        using ThresholdFinder finder = new(model, options);
        return finder.Find(tokens, null, progress, cancellation);
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => _runner.Dispose();

    private ActivationThresholds Find(int[] tokens, int? bos, Action<string, float>? progress, CancellationToken cancellation)
    {
        int length = _options.ChunkLength;
        if (tokens.Length < length)
            throw new ArgumentException($"The calibration text has {tokens.Length} tokens, less than a chunk of {length}.", nameof(tokens));
        int[] starts = CalibrationText.Starts(tokens.Length, length, _options.Tokens);
        ChunkRunner chunkRunner = new(_runner, bos);
        _observer = Count;
        foreach ((int chunk, int start) in starts.Index())
        {
            cancellation.ThrowIfCancellationRequested();
            progress?.Invoke("Measuring activations", (float)chunk / starts.Length);
            chunkRunner.Run(tokens.AsSpan(start, length));
        }
        if (_options.Allocation == SparsityAllocation.Greedy)
        {
            progress?.Invoke("Measuring errors", 0);
            _observer = MeasureErrors;
            chunkRunner.Run(tokens.AsSpan(0, length));
        }
        OrderedDictionary<string, (float[], float[])> found = [];
        foreach (IGrouping<string, Map> layer in _maps.GroupBy(map => map.Layer))
            Allocate([.. layer], found);
        return new ActivationThresholds(_options.Level, Levels, found);
    }

    private void Allocate(Map[] layer, OrderedDictionary<string, (float[], float[])> found)
    {
        double[][] shares = _options.Allocation == SparsityAllocation.Uniform
            ? [.. Levels.Select(level => Array.ConvertAll(layer, _ => (double)level))]
            : SparseMap.Allocate([.. layer.Select(map => new SparseMap(map.Weights, map.RelativeErrors()))], Levels, most: 0.95);
        for (int i = 0; i < layer.Length; i++)
        {
            float[] thresholds = [.. shares.Select(level => level[i] == 0 ? 0 : layer[i].Magnitudes.Quantile((float)level[i]))];
            float[] below = Array.ConvertAll(thresholds, layer[i].Magnitudes.ShareBelow);
            foreach (string name in layer[i].Names)
                found.Add(name, (thresholds, below));
        }
    }

    private void Count(in LinearInputs inputs)
    {
        if (Find(inputs) is not { } map)
            return;
        for (int row = 0; row < inputs.X.Rows; row++)
            map.Magnitudes.Add(inputs.X[row]);
    }

    private void MeasureErrors(in LinearInputs inputs)
    {
        if (Find(inputs) is not { } map)
            return;
        using ScratchScope scope = _ops!.Scratch();
        Tensor x = inputs.X, pruned = _ops.Allocate(x.Rows, x.Columns), y = inputs.Apply(_ops, x);
        for (int row = 0; row < y.Rows; row++)
            map.Squares += Vectors.Squares(y[row]);
        for (int level = 0; level < ErrorCount - 1; level++)
        {
            using ScratchScope inner = _ops.Scratch();
            float threshold = map.Magnitudes.Quantile((level + 1f) / ErrorCount);
            for (int row = 0; row < x.Rows; row++)
            {
                ReadOnlySpan<float> values = x[row];
                Span<float> kept = pruned[row];
                for (int i = 0; i < values.Length; i++)
                    kept[i] = MathF.Abs(values[i]) < threshold ? 0 : values[i];
            }
            Tensor other = inputs.Apply(_ops, pruned);
            for (int row = 0; row < y.Rows; row++)
                map.Errors[level] += SquaredDistance(y[row], other[row]);
        }

        static double SquaredDistance(ReadOnlySpan<float> values, ReadOnlySpan<float> others)
        {
            double sum = 0;
            for (int i = 0; i < values.Length; i++)
            {
                double difference = values[i] - others[i];
                sum += difference * difference;
            }
            return sum;
        }
    }

    /// <summary>What is known of a map; null for one that has no threshold.</summary>
    private Map? Find(in LinearInputs inputs)
    {
        string name = inputs.Names[0];
        if (!MatrixInputs.IsOfLayer(name, _runner.File))
            return null;
        Map? map = _maps.Find(map => map.Names[0] == name);
        if (map is null)
            _maps.Add(map = new Map(inputs.Names, (double)inputs.Weight.Rows * inputs.Weight.Columns * inputs.Experts(0).Length));
        return map;
    }

    private sealed record Map(IReadOnlyList<string> Names, double Weights)
    {
        public string Layer => MatrixInputs.LayerOf(Names[0]);

        public MagnitudeHistogram Magnitudes { get; } = new();

        public double Squares { get; set; }

        public double[] Errors { get; } = new double[ErrorCount - 1];

        public double[] RelativeErrors() => [.. Errors.Select(error => Squares > 0 ? error / Squares : 0), 1];
    }
}
