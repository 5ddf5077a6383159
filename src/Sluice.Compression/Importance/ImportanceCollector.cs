using Sluice.Cache;
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
        Batch batch = new();
        while (_matrix.Chunks < count)
        {
            cancellation.ThrowIfCancellationRequested();
            RunChunk(runner, batch, tokens.Slice(_matrix.Chunks * size, size), bos);
            _matrix.Chunks++;
            progress?.Invoke(_matrix.Chunks);
        }
    }

    private static void RunChunk(Runner runner, Batch batch, ReadOnlySpan<int> chunk, int? bos)
    {
        using SequenceCache sequence = runner.Cache.CreateSequence();
        for (int start = 0; start < chunk.Length; start += runner.Options.StepTokens)
        {
            int count = Math.Min(runner.Options.StepTokens, chunk.Length - start);
            if (!sequence.TryReserve(count))
                throw new InvalidOperationException("The cache is in use.");
            batch.Clear();
            sequence.Begin(batch);
            for (int i = start; i < start + count; i++)
                batch.Add(i == 0 && bos is { } id ? id : chunk[i], wantOutput: i == start + count - 1);
            using ScratchScope scope = runner.Ops.Scratch();
            runner.Forward(batch);
            sequence.Commit(count);
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
