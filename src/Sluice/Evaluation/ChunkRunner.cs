using Sluice.Cache;
using Sluice.Tensors;

namespace Sluice.Evaluation;

/// <summary>
/// Runs chunks of a text, as llama.cpp's perplexity tool cuts them, so that figures compare: each chunk begins with BOS in place of its
/// first token, where the model uses one, and only tokens of its second half are predicted, which have half a chunk of context at least.
/// </summary>
/// <param name="runner">The model; its cache must have room for a chunk.</param>
/// <param name="bos">The token that begins every chunk; null for none.</param>
/// <param name="adapter">What the model has for it; null for nothing.</param>
public sealed class ChunkRunner(Runner runner, int? bos, Adapter? adapter = null)
{
    private readonly Batch _batch = new();

    /// <summary>What is done with the logits that predict a token.</summary>
    /// <param name="position">Of that token in the chunk.</param>
    /// <param name="logits">Of all tokens of the vocabulary.</param>
    public delegate void Predicted(int position, ReadOnlySpan<float> logits);

    /// <summary>The tokens of a chunk that are predicted.</summary>
    internal static int Predictions(int length) => length - 1 - (length / 2);

    /// <summary>How many chunks to run of a text.</summary>
    /// <exception cref="ArgumentException">The text is shorter than a chunk, or a chunk does not fit in the context.</exception>
    internal int Count(int tokens, int length, int? most)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(length, 4);
        if (length > runner.Context)
            throw new ArgumentException($"A chunk of {length} tokens does not fit in a context of {runner.Context}.", nameof(length));
        int count = Math.Min(Perplexity.CountChunks(tokens, length), most ?? int.MaxValue);
        return count > 0 ? count : throw new ArgumentException($"The text has {tokens} tokens, less than a chunk of {length}.", nameof(tokens));
    }

    /// <summary>Runs a chunk in steps of the engine's size.</summary>
    /// <param name="chunk">Its tokens, as many as fit in the context.</param>
    /// <param name="predicted">Told the predictions of the second half; null to run it for what the model's operations show of it.</param>
    /// <exception cref="InvalidOperationException">The cache is in use.</exception>
    public void Run(ReadOnlySpan<int> chunk, Predicted? predicted = null)
    {
        int first = chunk.Length / 2;
        using SequenceCache sequence = runner.Cache.CreateSequence(adapter);
        for (int start = 0; start < chunk.Length; start += runner.Options.StepTokens)
        {
            int count = Math.Min(runner.Options.StepTokens, chunk.Length - start);
            if (!sequence.TryReserve(count))
                throw new InvalidOperationException("The cache is in use.");
            _batch.Clear();
            sequence.Begin(_batch);
            for (int i = start; i < start + count; i++)
            {
                bool wants = predicted is null ? i == start + count - 1 : i >= first && i < chunk.Length - 1;
                _batch.Add(i == 0 && bos is { } id ? id : chunk[i], wants);
            }
            using ScratchScope scope = runner.Ops.Scratch();
            Tensor logits = runner.Forward(_batch);
            for (int row = 0; row < logits.Rows; row++)
                predicted?.Invoke(start + _batch.Outputs[row] + 1, logits[row]);
            sequence.Commit(count);
        }
    }

    /// <summary>ln of the sum of exp of logits: what a logit minus this is the log-probability of.</summary>
    internal static double LogSum(ReadOnlySpan<float> logits)
    {
        float max = float.NegativeInfinity;
        foreach (float logit in logits)
            max = Math.Max(max, logit);
        double sum = 0;
        foreach (float logit in logits)
            sum += MathF.Exp(logit - max);
        return max + Math.Log(sum);
    }
}
