using Sluice.Cache;
using Sluice.Tensors;

namespace Sluice.Tests.Engine;

/// <summary>Runs 24 tokens in chunks, beside other sequences: nothing of which may change what a sequence gets.</summary>
internal static class ChunkedRun
{
    private const int Tokens = 24;

    /// <summary>The logits of each of the first sequence's tokens.</summary>
    /// <param name="path">The model.</param>
    /// <param name="chunk">Tokens of each sequence in a step.</param>
    /// <param name="sequences">Sequences, each with tokens of its own.</param>
    /// <param name="options">Choices, whose context, sequences and cache are set here.</param>
    public static float[][] Logits(string path, int chunk, int sequences, EngineOptions options)
    {
        using Runner runner = Runner.Load(path, options with { Context = 64, Sequences = sequences, KvFormat = "f32" });
        SequenceCache[] caches = [.. Enumerable.Range(0, sequences).Select(_ => runner.Cache.CreateSequence())];
        List<float[]> logits = [];
        Batch batch = new();
        for (int start = 0; start < Tokens; start += chunk)
        {
            int count = Math.Min(chunk, Tokens - start);
            batch.Clear();
            for (int s = 0; s < sequences; s++)
            {
                Assert.True(caches[s].TryReserve(count));
                caches[s].Begin(batch);
                for (int i = start; i < start + count; i++)
                    batch.Add(3 + (7 * i) + s, wantOutput: s == 0);
            }
            using ScratchScope scope = runner.Ops.Scratch();
            Tensor rows = runner.Forward(batch);
            for (int row = 0; row < rows.Rows; row++)
                logits.Add(rows[row].ToArray());
            foreach (SequenceCache cache in caches)
                cache.Commit(count);
        }
        foreach (SequenceCache cache in caches)
            cache.Dispose();
        return [.. logits];
    }
}
