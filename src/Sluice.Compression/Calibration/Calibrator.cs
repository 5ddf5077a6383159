using Sluice.Cache;
using Sluice.Tensors;
using Sluice.Tensors.Cpu;
using Sluice.Tokenizers;

namespace Sluice.Compression;

/// <summary>
/// Runs a model on text and gathers <see cref="InputStatistics"/> of its matrices' inputs, shown by <see cref="ObservingOps"/>, so that
/// no architecture has code for it.
/// </summary>
/// <remarks>
/// The text goes through the model a layer at a time: what is kept of it are the rows that go into the next layer, and a layer's statistics,
/// in which its maps' inputs are summed up as they come. Statistics that do not fit take further runs of their layer. Layers are
/// best asked for in order, since going back begins the text anew.
/// </remarks>
public sealed class Calibrator : IDisposable
{
    private readonly CalibrationOptions _options;
    private readonly Runner _runner;
    private readonly WorkerPool _pool;
    private readonly int[] _tokens, _heldOut;
    private readonly Action<string, float>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly List<MatrixInputs> _all = []; // as the forward pass comes to them
    private readonly Dictionary<MatrixInputs, InputStatistics[]> _held = [];
    private readonly int[] _starts; // of the chunks
    private readonly float[][] _rows; // of each chunk, what goes into the layer [chunk, embedding]
    private int _layer = -1; // none: the text has not begun
    private InputObserver? _observer;
    private float[] _gathered = [];

    /// <summary>Loads a model and its text.</summary>
    /// <param name="model">A GGUF file or a Hugging Face folder.</param>
    /// <param name="text">What it is calibrated on: text such as it will meet.</param>
    /// <param name="options">Choices; the defaults if null.</param>
    /// <param name="progress">Told what is done, and which share of it.</param>
    /// <param name="cancellation">Stops the runs.</param>
    /// <exception cref="ArgumentException">The text is shorter than a chunk.</exception>
    public Calibrator(
        string model, string text, CalibrationOptions? options = null, Action<string, float>? progress = null,
        CancellationToken cancellation = default)
    {
        (_options, _progress, _cancellation) = (options ?? new CalibrationOptions(), progress, cancellation);
        _runner = Runner.Load(model, CalibrationText.Options(_options.ChunkLength, _options.Threads) with
        {
            Wrap = ops => new ObservingOps(Weights = new SubstitutingOps(ops), Observe),
        });
        _pool = new WorkerPool(_options.Threads);
        try
        {
            Tokenizer tokenizer = Tokenizer.FromModel(_runner.File);
            Bos = tokenizer.StartId;
            int[] tokens = tokenizer.Encode(text);
            int kept = (int)(tokens.Length * (1 - _options.HeldOut));
            (_tokens, _heldOut) = (tokens[..kept], tokens[kept..]);
            if (kept < _options.ChunkLength || (_options.HeldOut > 0 && _heldOut.Length < _options.ChunkLength))
            {
                string rest = _options.HeldOut > 0 ? FormattableString.Invariant($" and as much in the {_options.HeldOut:0.##} of it that is kept for measurements") : "";
                throw new ArgumentException($"The calibration text has {tokens.Length} tokens, less than a chunk of {_options.ChunkLength}{rest}.", nameof(text));
            }
            _starts = CalibrationText.Starts(_tokens.Length, _options.ChunkLength, _options.Tokens);
            _rows = new float[_starts.Length][];
            FindMatrices();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The tensors whose inputs can be gathered, in the order in which a token meets them.</summary>
    public IEnumerable<string> Tensors => _all.SelectMany(inputs => inputs.Names);

    /// <summary>Where a token meets a tensor's inputs, among all: equal for tensors that have the same; -1 for one whose inputs are not seen.</summary>
    internal int PlaceOf(string tensor) => _all.FindIndex(inputs => inputs.Names.Contains(tensor));

    /// <summary>The threads, for the methods' own work.</summary>
    public WorkerPool Pool => _pool;

    /// <summary>The token that begins every chunk; null for none.</summary>
    public int? Bos { get; }

    /// <summary>The model, for measurements.</summary>
    internal Runner Runner => _runner;

    /// <summary>Its weights, to be exchanged for others; put them back before statistics are gathered.</summary>
    internal SubstitutingOps Weights { get; private set; } = null!;

    /// <summary>How often each token of the vocabulary is in the text that is calibrated on.</summary>
    internal long[] CountTokens()
    {
        long[] counts = new long[_runner.Model.Config.Vocabulary];
        foreach (int token in _tokens)
            counts[token]++;
        return counts;
    }

    /// <summary>Chunks of what is held out of the text, spread evenly over it.</summary>
    /// <param name="tokens">How many tokens they have together; less where the text is shorter.</param>
    internal IEnumerable<int[]> HeldOut(int tokens)
    {
        int length = _options.ChunkLength, available = _heldOut.Length / length, count = Math.Clamp(tokens / length, 1, available);
        return Enumerable.Range(0, count).Select(chunk => _heldOut.AsSpan((int)((long)available * chunk / count) * length, length).ToArray());
    }

    /// <summary>The statistics of a matrix's inputs, gathered now or before. Those of layers that were asked for before may be given up.</summary>
    /// <param name="tensor">Its name.</param>
    /// <param name="expert">Which of its matrices.</param>
    /// <returns>Null for a tensor that is no linear map, as an embedding.</returns>
    public InputStatistics? Find(string tensor, int expert = 0)
    {
        MatrixInputs? inputs = _all.Find(inputs => inputs.Names.Contains(tensor));
        if (inputs is null)
            return null;
        if (!_held.ContainsKey(inputs))
            Gather(Choose(inputs));
        return _held[inputs][expert];
    }

    /// <summary>Whether a matrix's statistics are at hand, so that <see cref="Find"/> runs no text.</summary>
    public bool Holds(string tensor) => _held.Keys.Any(inputs => inputs.Names.Contains(tensor));

    /// <summary>Frees the model.</summary>
    public void Dispose()
    {
        _pool.Dispose();
        _runner.Dispose();
    }

    private int Layers => _runner.Model.Config.Layers;

    /// <summary>Runs two tokens to see which matrices each layer has; those after the last layer count as another one's.</summary>
    private void FindMatrices() => Run(0, 2, batch =>
    {
        Tensor x = _runner.Model.Embed(batch);
        for (int layer = 0; layer <= Layers; layer++)
        {
            int own = layer;
            RunLayer(layer, x, batch, (in LinearInputs inputs) =>
                _all.Add(new MatrixInputs(inputs.Names, inputs.Weight.Columns, inputs.Weight.Experts, own)));
        }
    });

    /// <summary>What is gathered in one run of a layer: the inputs asked for, then as many others as fit.</summary>
    private List<MatrixInputs> Choose(MatrixInputs first)
    {
        List<MatrixInputs> chosen = [first];
        long bytes = Bytes(first);
        foreach (MatrixInputs inputs in _all.Where(inputs => inputs.Layer == first.Layer && inputs != first))
        {
            bytes += Bytes(inputs);
            if (bytes > _options.Memory)
                break;
            chosen.Add(inputs);
        }
        return chosen;
    }

    private long Bytes(MatrixInputs inputs) => inputs.Experts * InputStatistics.Bytes(inputs.Columns, _options.Samples);

    private void Gather(List<MatrixInputs> chosen)
    {
        _held.Clear();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive); // the old statistics would otherwise stay beside the new ones
        int layer = chosen[0].Layer;
        MoveTo(layer);
        foreach (MatrixInputs inputs in chosen)
            _held[inputs] = [.. Enumerable.Range(0, inputs.Experts).Select(_ => new InputStatistics(inputs.Columns, _options.Samples))];
        // The rows stay where they are while more of the layer is to come, and after the last layer nothing reads them.
        bool moves = layer < Layers && chosen.Count == _all.Count(inputs => inputs.Layer == layer);
        MatrixInputs last = _all.FindLast(chosen.Contains)!;
        string what = layer < Layers ? $"Calibrating layer {layer + 1} of {Layers}" : "Calibrating the output map";
        RunLayer(layer, what, moves, (in LinearInputs inputs) =>
        {
            if (Add(inputs) == last && !moves)
                throw new EnoughException();
        });
    }

    /// <summary>Brings the text to where it goes into a layer.</summary>
    private void MoveTo(int layer)
    {
        if (_layer < 0 || _layer > layer)
        {
            RunText("Embedding the text", (chunk, batch) => Keep(chunk, _runner.Model.Embed(batch)));
            _layer = 0;
        }
        while (_layer < layer)
            RunLayer(_layer, $"Running layer {_layer + 1} of {Layers}", moves: true, observer: null);
    }

    /// <summary>Runs the text through a layer; and then it goes into the next, if it is to move.</summary>
    private void RunLayer(int layer, string what, bool moves, InputObserver? observer)
    {
        if (moves)
            _layer = -1; // until all of it has moved
        RunText(what, (chunk, batch) =>
        {
            Tensor x = _runner.Ops.Allocate(batch.Count, _runner.Model.Config.Embedding);
            for (int row = 0; row < x.Rows; row++)
                _rows[chunk].AsSpan(row * x.Columns, x.Columns).CopyTo(x[row]);
            try
            {
                RunLayer(layer, x, batch, observer);
            }
            catch (EnoughException)
            {
                // What comes after the last map that is wanted would be computed for nothing.
            }
            if (moves)
                Keep(chunk, x);
        });
        if (moves)
            _layer = layer + 1;
    }

    /// <summary>Runs rows through a layer, in place, or through what comes after the last.</summary>
    private void RunLayer(int layer, Tensor x, Batch batch, InputObserver? observer)
    {
        _observer = observer;
        try
        {
            if (layer < Layers)
                _runner.Model.RunLayers(layer..(layer + 1), x, batch, _runner.Cache);
            else
                _runner.Model.Unembed(x);
        }
        finally
        {
            _observer = null;
        }
    }

    private void Keep(int chunk, Tensor x)
    {
        float[] rows = _rows[chunk] ??= new float[x.Rows * x.Columns];
        for (int row = 0; row < x.Rows; row++)
            x[row].CopyTo(rows.AsSpan(row * x.Columns));
    }

    /// <summary>Runs the whole model on the text once, and shows the inputs of the layers' maps.</summary>
    internal void Observe(string what, InputObserver observer)
    {
        _observer = observer;
        try
        {
            RunText(what, (_, batch) => _runner.Forward(batch));
        }
        finally
        {
            _observer = null;
        }
    }

    /// <summary>Runs the chunks of the text, each as a batch of its own.</summary>
    private void RunText(string what, Action<int, Batch> run)
    {
        foreach ((int chunk, int start) in _starts.Index())
        {
            _cancellation.ThrowIfCancellationRequested();
            _progress?.Invoke(what, (float)chunk / _starts.Length);
            Run(start, _options.ChunkLength, batch => run(chunk, batch));
        }
    }

    /// <summary>Runs some tokens of the text, in a scratch scope.</summary>
    private void Run(int start, int count, Action<Batch> run)
    {
        using SequenceCache sequence = _runner.Cache.CreateSequence();
        if (!sequence.TryReserve(count))
            throw new InvalidOperationException("The cache is in use.");
        Batch batch = new();
        sequence.Begin(batch);
        for (int i = 0; i < count; i++)
            batch.Add(i == 0 && Bos is { } bos ? bos : _tokens[start + i], wantOutput: false);
        using ScratchScope scope = _runner.Ops.Scratch();
        run(batch);
    }

    private void Observe(in LinearInputs inputs) => _observer?.Invoke(inputs);

    /// <summary>Adds inputs to their statistics, if these are gathered, and says whose they are.</summary>
    private MatrixInputs? Add(in LinearInputs seen)
    {
        string name = seen.Names[0];
        if (_all.Find(inputs => inputs.Names[0] == name) is not { } known || !_held.TryGetValue(known, out InputStatistics[]? statistics))
            return null;
        Tensor x = seen.X;
        if (_gathered.Length < x.Rows * x.Columns)
            _gathered = new float[x.Rows * x.Columns];
        for (int expert = 0; expert < statistics.Length; expert++)
        {
            int rows = 0;
            for (int row = 0; row < x.Rows; row++)
            {
                if (seen.Experts(row).Contains(expert))
                    x[row].CopyTo(_gathered.AsSpan(rows++ * x.Columns));
            }
            statistics[expert].Add(_pool, _gathered.AsSpan(0, rows * x.Columns));
        }
        return known;
    }

    private sealed class EnoughException : Exception;
}
