namespace Sluice.Evaluation;

/// <summary>
/// What a model predicts for chunks of text, kept in memory, so that any number of others can be measured against it (<see cref="Divergence"/>)
/// for one run of it.
/// </summary>
public sealed class ReferencePredictions
{
    private readonly List<ChunkPredictions> _chunks = [];
    private readonly int? _bos;
    private readonly int _vocabulary;

    /// <summary>Runs the reference.</summary>
    /// <param name="reference">The model; its cache must have room for a chunk.</param>
    /// <param name="chunks">Chunks of equal length, 4 tokens or more.</param>
    /// <param name="bos">The token that begins every chunk in place of its first; null for none.</param>
    /// <param name="cancellation">Stops between chunks.</param>
    public ReferencePredictions(Runner reference, IEnumerable<int[]> chunks, int? bos, CancellationToken cancellation = default)
    {
        (_bos, _vocabulary) = (bos, reference.Model.Config.Vocabulary);
        ChunkRunner runner = new(reference, bos);
        foreach (int[] chunk in chunks)
        {
            cancellation.ThrowIfCancellationRequested();
            ChunkPredictions predictions = new();
            predictions.Record(runner, chunk);
            _chunks.Add(predictions);
        }
    }

    /// <summary>The bytes that the predictions of a chunk take.</summary>
    public static long Bytes(int length, int vocabulary) => (long)ChunkRunner.Predictions(length) * vocabulary * sizeof(float);

    /// <summary>Measures a model of the same vocabulary; its cache must have room for a chunk.</summary>
    public Divergence Measure(Runner runner, CancellationToken cancellation = default)
    {
        DivergenceTally tally = new(_chunks[0].Text.Length, _vocabulary);
        ChunkRunner chunkRunner = new(runner, _bos);
        foreach (ChunkPredictions chunk in _chunks)
        {
            cancellation.ThrowIfCancellationRequested();
            tally.Add(chunk, chunkRunner);
        }
        return tally.Total();
    }
}
