using Sluice.Tensors;

namespace Sluice.Evaluation;

/// <summary>
/// How well a model predicts a text: exp of the mean negative log-likelihood of its tokens. Texts are cut into chunks as
/// llama.cpp's perplexity tool does, so that figures compare; see <see cref="ChunkRunner"/>.
/// </summary>
/// <param name="Chunks">Chunks counted so far.</param>
/// <param name="Tokens">Predictions counted so far.</param>
/// <param name="NegativeLogLikelihood">Sum of -ln p.</param>
/// <param name="Squares">Sum of (ln p)^2.</param>
public readonly record struct Perplexity(int Chunks, long Tokens, double NegativeLogLikelihood, double Squares)
{
    /// <summary>The perplexity.</summary>
    public double Value => Math.Exp(NegativeLogLikelihood / Tokens);

    /// <summary>Its standard error.</summary>
    public double StandardError
    {
        get
        {
            double mean = NegativeLogLikelihood / Tokens, variance = (Squares / Tokens) - (mean * mean);
            return variance > 0 && Tokens > 1 ? Math.Sqrt(variance / (Tokens - 1)) * Value : 0;
        }
    }

    /// <summary>Measures the perplexity of a text.</summary>
    /// <param name="runner">The model; its cache must have room for a chunk.</param>
    /// <param name="tokens">The whole text, with BOS where the model uses one.</param>
    /// <param name="bos">The token that begins every chunk; null for none.</param>
    /// <param name="length">Tokens of a chunk, 4 or more.</param>
    /// <param name="chunks">The most chunks to measure; null for all.</param>
    /// <param name="progress">Told the figures after each chunk.</param>
    /// <param name="cancellation">Stops between chunks.</param>
    /// <param name="adapter">The adapter that the model has; null for none.</param>
    /// <exception cref="ArgumentException">The text is shorter than a chunk, or a chunk does not fit in the context.</exception>
    public static Perplexity Measure(
        Runner runner, ReadOnlySpan<int> tokens, int? bos, int length, int? chunks = null, Action<Perplexity>? progress = null,
        CancellationToken cancellation = default, Adapter? adapter = null)
    {
        ChunkRunner chunkRunner = new(runner, bos, adapter);
        int count = chunkRunner.Count(tokens.Length, length, chunks);
        Perplexity total = default;
        for (int chunk = 0; chunk < count; chunk++)
        {
            cancellation.ThrowIfCancellationRequested();
            int[] own = tokens.Slice(chunk * length, length).ToArray();
            chunkRunner.Run(own, (position, logits) => total = total.Add(logits[own[position]] - ChunkRunner.LogSum(logits)));
            total = total with { Chunks = chunk + 1 };
            progress?.Invoke(total);
        }
        return total;
    }

    /// <summary>How many whole chunks a text has.</summary>
    public static int CountChunks(int tokens, int length) => tokens / length;

    /// <summary>Counts a token's log-probability.</summary>
    internal Perplexity Add(double logProbability) => this with
    {
        Tokens = Tokens + 1,
        NegativeLogLikelihood = NegativeLogLikelihood - logProbability,
        Squares = Squares + (logProbability * logProbability),
    };

    /// <summary>Counts the tokens of others too, but not their chunks.</summary>
    internal Perplexity Add(Perplexity others) => this with
    {
        Tokens = Tokens + others.Tokens,
        NegativeLogLikelihood = NegativeLogLikelihood + others.NegativeLogLikelihood,
        Squares = Squares + others.Squares,
    };
}
