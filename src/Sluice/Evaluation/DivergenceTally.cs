namespace Sluice.Evaluation;

/// <summary>Adds up the divergences of a model's predictions from a reference's, chunk by chunk.</summary>
/// <param name="length">Tokens of a chunk.</param>
/// <param name="vocabulary">Tokens that there are.</param>
internal sealed class DivergenceTally(int length, int vocabulary)
{
    private readonly double[] _byPosition = new double[ChunkRunner.Predictions(length)];
    private readonly List<double> _tokens = [];
    private readonly float[] _actual = new float[vocabulary];
    private Perplexity _own, _reference;
    private int _agreed;

    /// <summary>How well the model predicts the chunks so far.</summary>
    public Perplexity Own => _own;

    /// <summary>Runs a chunk and counts it.</summary>
    /// <param name="reference">What is predicted for it.</param>
    /// <param name="runner">Runs the model.</param>
    public void Add(ChunkPredictions reference, ChunkRunner runner)
    {
        Perplexity own = default;
        runner.Run(reference.Text, (position, logits) =>
        {
            float[] expected = reference[position];
            ChunkPredictions.LogProbabilities(logits, _actual);
            own = own.Add(_actual[reference.Text[position]]);
            double divergence = Divergence.Between(expected, _actual);
            _tokens.Add(divergence);
            _byPosition[position - (length - _byPosition.Length)] += divergence;
            _agreed += Top(expected) == Top(_actual) ? 1 : 0;
        });
        _own = _own.Add(own) with { Chunks = _own.Chunks + 1 };
        _reference = _reference.Add(reference.Perplexity) with { Chunks = _own.Chunks };
    }

    /// <summary>The result.</summary>
    public Divergence Total()
    {
        _tokens.Sort();
        return new Divergence(_own, _reference, _tokens, [.. _byPosition.Select(sum => sum / _own.Chunks)], (double)_agreed / _tokens.Count);
    }

    private static int Top(ReadOnlySpan<float> values)
    {
        int top = 0;
        for (int i = 1; i < values.Length; i++)
            top = values[i] > values[top] ? i : top;
        return top;
    }
}
