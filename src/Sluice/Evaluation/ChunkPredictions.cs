namespace Sluice.Evaluation;

/// <summary>What a model predicts for a chunk of text: the log-probabilities of the whole vocabulary, at each position that is counted.</summary>
internal sealed class ChunkPredictions
{
    private readonly Dictionary<int, float[]> _rows = [];

    /// <summary>The chunk's tokens.</summary>
    public int[] Text { get; private set; } = [];

    /// <summary>How well the model predicts it.</summary>
    public Perplexity Perplexity { get; private set; }

    /// <summary>The log-probabilities for the token at a position.</summary>
    public float[] this[int position] => _rows[position];

    /// <summary>Runs a chunk, in place of the one before if there was any.</summary>
    public void Record(ChunkRunner runner, int[] text)
    {
        (Text, Perplexity) = (text, default);
        runner.Run(text, (position, logits) =>
        {
            if (!_rows.TryGetValue(position, out float[]? row))
                _rows.Add(position, row = new float[logits.Length]);
            LogProbabilities(logits, row);
            Perplexity = Perplexity.Add(row[text[position]]);
        });
    }

    /// <summary>The logarithms of the softmax of logits.</summary>
    public static void LogProbabilities(ReadOnlySpan<float> logits, Span<float> result)
    {
        double sum = ChunkRunner.LogSum(logits);
        for (int i = 0; i < logits.Length; i++)
            result[i] = (float)(logits[i] - sum);
    }
}
