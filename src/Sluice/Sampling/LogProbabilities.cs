namespace Sluice.Sampling;

/// <summary>The model's own log-probabilities of the chosen token and of the most likely ones.</summary>
internal sealed class LogProbabilities
{
    private readonly float[] _logits, _weights;
    private readonly ulong[] _best;
    private readonly SampledToken[] _top;
    private double _logSum;

    public LogProbabilities(int vocabulary, int count)
    {
        _logits = new float[vocabulary];
        _weights = new float[vocabulary];
        _best = new ulong[Math.Min(count, vocabulary)];
        _top = new SampledToken[_best.Length];
    }

    /// <summary>The most likely tokens, the likeliest first.</summary>
    public ReadOnlySpan<SampledToken> Top => _top;

    /// <summary>The log-probability of a token.</summary>
    public float this[int token] => (float)(_logits[token] - _logSum);

    /// <summary>Takes in the logits, before anything changes them.</summary>
    public void Measure(ReadOnlySpan<float> modelLogits, float max)
    {
        modelLogits.CopyTo(_logits);
        _logSum = max + Math.Log(VectorMath.Exponentials(_logits, max, 1, _weights));
        Selection.Best(_logits, _best);
        for (int i = 0; i < _top.Length; i++)
        {
            int token = Selection.Index(_best[i]);
            _top[i] = new SampledToken(token, this[token]);
        }
    }
}
