using Sluice.Evaluation;
using Sluice.Tensors;

namespace Sluice.Compression;

/// <summary>Measures an <see cref="ImportanceMatrix"/> by running a model on text, whatever its architecture (<see cref="ObservingOps"/>).</summary>
public sealed class ImportanceCollector
{
    // By name rather than by weight, because an output map that is also the embedding table is no matrix of a layer.
    private const string LayerPrefix = "blk.";

    private readonly ImportanceMatrix _matrix;

    /// <summary>Adds to a matrix.</summary>
    public ImportanceCollector(ImportanceMatrix matrix) => _matrix = matrix;

    /// <summary>What a runner's operations are to be wrapped in: <see cref="EngineOptions.Wrap"/>.</summary>
    public Ops Wrap(Ops ops) => new ObservingOps(ops, Observe);

    /// <summary>Runs the model on the chunks of a text from number <see cref="ImportanceMatrix.Chunks"/> on.</summary>
    /// <param name="runner">The model, its operations wrapped by this, with room for a chunk in its cache.</param>
    /// <param name="tokens">The text.</param>
    /// <param name="bos">What begins every chunk in place of its first token; null for none.</param>
    /// <param name="chunks">The most chunks that the matrix shall have; null for all of the text.</param>
    /// <param name="progress">Told the chunks after each.</param>
    /// <param name="cancellation">Stops between chunks.</param>
    /// <exception cref="ArgumentException">The text is shorter than a chunk.</exception>
    public void Run(
        Runner runner, ReadOnlySpan<int> tokens, int? bos, int? chunks = null, Action<int>? progress = null,
        CancellationToken cancellation = default)
    {
        int size = _matrix.ChunkSize;
        if (tokens.Length < size)
            throw new ArgumentException($"The text has {tokens.Length} tokens, less than a chunk of {size}: too little to say what matters.", nameof(tokens));
        int count = Math.Min(tokens.Length / size, chunks ?? int.MaxValue);
        ChunkRunner chunkRunner = new(runner, bos);
        while (_matrix.Chunks < count)
        {
            cancellation.ThrowIfCancellationRequested();
            chunkRunner.Run(tokens.Slice(_matrix.Chunks * size, size));
            _matrix.Chunks++;
            progress?.Invoke(_matrix.Chunks);
        }
    }

    private void Observe(in LinearInputs inputs)
    {
        foreach (string name in inputs.Names)
        {
            if (!name.StartsWith(LayerPrefix, StringComparison.Ordinal))
                continue;
            ImportanceEntry entry = _matrix.Entry(name, inputs.Weight.Columns, inputs.Weight.Experts);
            for (int row = 0; row < inputs.X.Rows; row++)
            {
                foreach (int matrix in inputs.Experts(row))
                    entry.Add(inputs.X[row], matrix);
            }
        }
    }
}
