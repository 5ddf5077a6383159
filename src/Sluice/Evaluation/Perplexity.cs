using Sluice.Cache;
using Sluice.Tensors;

namespace Sluice.Evaluation;

/// <summary>
/// How well a model predicts a text: exp of the mean negative log-likelihood of its tokens. Texts are cut into chunks as
/// llama.cpp's perplexity tool does, so that figures compare: each chunk begins with BOS in place of its first token, where the
/// model uses one, and only tokens of its second half are counted, which have half a chunk of context at least.
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
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 4);
        if (length > runner.Context)
            throw new ArgumentException($"A chunk of {length} tokens does not fit in a context of {runner.Context}.", nameof(length));
        int count = Math.Min(CountChunks(tokens.Length, length), chunks ?? int.MaxValue);
        if (count <= 0)
            throw new ArgumentException($"The text has {tokens.Length} tokens, less than a chunk of {length}.", nameof(tokens));
        Perplexity total = default;
        Batch batch = new();
        for (int chunk = 0; chunk < count; chunk++)
        {
            cancellation.ThrowIfCancellationRequested();
            total = total.Add(runner, batch, tokens.Slice(chunk * length, length), bos, adapter);
            progress?.Invoke(total);
        }
        return total;
    }

    /// <summary>How many whole chunks a text has.</summary>
    public static int CountChunks(int tokens, int length) => tokens / length;

    private Perplexity Add(Runner runner, Batch batch, ReadOnlySpan<int> chunk, int? bos, Adapter? adapter)
    {
        double sum = 0, squares = 0;
        int first = chunk.Length / 2;
        using SequenceCache sequence = runner.Cache.CreateSequence(adapter);
        for (int start = 0; start < chunk.Length; start += runner.Options.StepTokens)
        {
            int count = Math.Min(runner.Options.StepTokens, chunk.Length - start);
            if (!sequence.TryReserve(count))
                throw new InvalidOperationException("The cache is in use.");
            batch.Clear();
            sequence.Begin(batch);
            for (int i = start; i < start + count; i++)
                batch.Add(i == 0 && bos is { } id ? id : chunk[i], wantOutput: i >= first && i < chunk.Length - 1);
            using ScratchScope scope = runner.Ops.Scratch();
            Tensor logits = runner.Forward(batch);
            for (int row = 0; row < logits.Rows; row++)
            {
                double logProbability = LogSoftmax(logits[row], chunk[start + batch.Outputs[row] + 1]);
                sum -= logProbability;
                squares += logProbability * logProbability;
            }
            sequence.Commit(count);
        }
        return new Perplexity(Chunks + 1, Tokens + chunk.Length - 1 - first, NegativeLogLikelihood + sum, Squares + squares);
    }

    /// <summary>The log-probability of a token.</summary>
    private static double LogSoftmax(ReadOnlySpan<float> logits, int token)
    {
        float max = float.NegativeInfinity;
        foreach (float logit in logits)
            max = Math.Max(max, logit);
        double sum = 0;
        foreach (float logit in logits)
            sum += MathF.Exp(logit - max);
        return logits[token] - max - Math.Log(sum);
    }
}
