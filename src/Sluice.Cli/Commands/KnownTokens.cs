using Sluice.Cache;
using Sluice.Cli.Output;
using Sluice.Tensors;

namespace Sluice.Cli.Commands;

/// <summary>Running known tokens through a model for what it says of them.</summary>
internal static class KnownTokens
{
    // What one step's logits may take: with a large vocabulary few rows at a time.
    private const long LogitsOfStep = 16 << 20;

    /// <summary>Loads a model for some sequences.</summary>
    public static Runner Load(string path, EngineOptions options, int contextIfNotGiven, int sequences = 1)
    {
        options = options with { Sequences = sequences, Context = options.Context > 0 ? options.Context : contextIfNotGiven };
        return Terminal.Progress("Loading " + Path.GetFileName(path), progress => Runner.Load(path, options, progress));
    }

    /// <summary>Appends tokens to a sequence.</summary>
    /// <param name="runner">The model.</param>
    /// <param name="sequence">The sequence.</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="firstWanted">The first token whose logits are wanted, and those of all after it.</param>
    /// <param name="take">Given each of those tokens' index and logits [vocabulary], in order.</param>
    /// <param name="cancellation">Stops it between steps.</param>
    public static void Run(
        Runner runner, SequenceCache sequence, ReadOnlySpan<int> tokens, int firstWanted, Action<int, Span<float>> take,
        CancellationToken cancellation)
    {
        if (sequence.Length + tokens.Length > runner.Context)
            throw new ArgumentException($"{sequence.Length + tokens.Length:N0} tokens do not fit in a context of {runner.Context:N0}.");
        int rows = (int)Math.Clamp(LogitsOfStep / runner.Model.Config.Vocabulary, 1, runner.Options.StepTokens);
        Batch batch = new();
        for (int start = 0; start < tokens.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = start < firstWanted
                ? Math.Min(firstWanted - start, runner.Options.StepTokens)
                : Math.Min(tokens.Length - start, rows);
            count = Math.Min(count, tokens.Length - start);
            if (!sequence.TryReserve(count))
                throw new InvalidOperationException($"The KV cache has no room for {sequence.Length + count:N0} tokens. Raise --kv-memory.");
            batch.Clear();
            sequence.Begin(batch);
            for (int i = start; i < start + count; i++)
                batch.Add(tokens[i], wantOutput: i >= firstWanted);
            using ScratchScope scope = runner.Ops.Scratch();
            Tensor logits = runner.Forward(batch); // [outputs, vocabulary]
            sequence.Commit(count);
            for (int row = 0; row < batch.Outputs.Length; row++)
                take(start + batch.Outputs[row], logits[row]);
            start += count;
        }
    }
}
