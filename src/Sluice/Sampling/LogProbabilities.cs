namespace Sluice.Sampling;

/// <summary>The model's own log-probabilities of the chosen token and of the most likely ones.</summary>
internal sealed class LogProbabilities
{
    private readonly float[] logits, weights;
    private readonly ulong[] best;
    private readonly SampledToken[] top;
    private double logSum;

    public LogProbabilities(int vocabulary, int count)
    {
        logits = new float[vocabulary];
        weights = new float[vocabulary];
        best = new ulong[Math.Min(count, vocabulary)];
        top = new SampledToken[best.Length];
    }

    /// <summary>The most likely tokens, the likeliest first.</summary>
    public ReadOnlySpan<SampledToken> Top => top;

    /// <summary>The log-probability of a token.</summary>
    public float this[int token] => (float)(logits[token] - logSum);

    /// <summary>Takes in the logits, before anything changes them.</summary>
    public void Measure(ReadOnlySpan<float> modelLogits, float max)
    {
        modelLogits.CopyTo(logits);
        logSum = max + Math.Log(VectorMath.Exponentials(logits, max, 1, weights));
        Selection.Best(logits, best);
        for (int i = 0; i < top.Length; i++)
        {
            int token = Selection.Index(best[i]);
            top[i] = new SampledToken(token, this[token]);
        }
    }
}
