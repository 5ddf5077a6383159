using Sluice.Tensors;

namespace Sluice.Evaluation;

/// <summary>
/// How far a model's predictions are from a reference's, as a quantized model's from those of the model it was made of: the
/// Kullback-Leibler divergence of the two distributions of each token, in nats, sum of p ln(p / q) with the reference's p.
/// </summary>
/// <param name="Own">The model's perplexity.</param>
/// <param name="Reference">The reference's.</param>
/// <param name="Tokens">Divergences, of one token each, in ascending order.</param>
/// <param name="ByPosition">The mean divergence at each position of a chunk that is counted: from its second half on.</param>
/// <param name="TopAgreement">The share of tokens for which both find the same one likeliest.</param>
public sealed record Divergence(
    Perplexity Own, Perplexity Reference, IReadOnlyList<double> Tokens, IReadOnlyList<double> ByPosition, double TopAgreement)
{
    /// <summary>The mean divergence.</summary>
    public double Mean => Tokens.Average();

    /// <summary>The mean's standard error, as if tokens were independent of each other.</summary>
    public double StandardError
    {
        get
        {
            double mean = Mean;
            return Tokens.Count < 2 ? 0 : Math.Sqrt(Tokens.Sum(value => (value - mean) * (value - mean)) / (Tokens.Count - 1) / Tokens.Count);
        }
    }

    /// <summary>The divergence that this share of tokens does not exceed.</summary>
    /// <param name="share">0 to 1: 0.5 is the median.</param>
    public double Quantile(double share) => Tokens[(int)Math.Min(Tokens.Count - 1, Math.Floor(share * Tokens.Count))];

    /// <summary>Measures on a text, as <see cref="Perplexity.Measure"/> does.</summary>
    /// <param name="runner">The model; its cache must have room for a chunk.</param>
    /// <param name="reference">The reference, likewise; of the same vocabulary.</param>
    /// <param name="tokens">The whole text, with BOS where the model uses one.</param>
    /// <param name="bos">The token that begins every chunk; null for none.</param>
    /// <param name="length">Tokens of a chunk, 4 or more.</param>
    /// <param name="chunks">The most chunks to measure; null for all.</param>
    /// <param name="progress">Told the model's perplexity after each chunk.</param>
    /// <param name="cancellation">Stops between chunks.</param>
    /// <param name="adapter">What the model has for it, but not the reference; null for nothing.</param>
    /// <exception cref="ArgumentException">
    /// The text is shorter than a chunk, a chunk does not fit in a context, or the vocabularies differ in size.
    /// </exception>
    public static Divergence Measure(
        Runner runner, Runner reference, ReadOnlySpan<int> tokens, int? bos, int length, int? chunks = null,
        Action<Perplexity>? progress = null, CancellationToken cancellation = default, Adapter? adapter = null)
    {
        int vocabulary = reference.Model.Config.Vocabulary;
        if (runner.Model.Config.Vocabulary != vocabulary)
            throw new ArgumentException($"The model has {runner.Model.Config.Vocabulary} tokens, the reference {vocabulary}.", nameof(reference));
        ChunkRunner own = new(runner, bos, adapter), other = new(reference, bos);
        int count = Math.Min(own.Count(tokens.Length, length, chunks), other.Count(tokens.Length, length, chunks));
        ChunkPredictions expected = new();
        DivergenceTally tally = new(length, vocabulary);
        for (int chunk = 0; chunk < count; chunk++)
        {
            cancellation.ThrowIfCancellationRequested();
            expected.Record(other, tokens.Slice(chunk * length, length).ToArray());
            tally.Add(expected, own);
            progress?.Invoke(tally.Own);
        }
        return tally.Total();
    }

    /// <summary>The divergence of two distributions, given as log-probabilities; 0 or more, but for rounding.</summary>
    internal static double Between(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        double sum = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            if (expected[i] > float.NegativeInfinity)
                sum += Math.Exp(expected[i]) * ((double)expected[i] - actual[i]);
        }
        return sum;
    }
}
