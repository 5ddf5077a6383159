using Sluice.Cache;
using Sluice.Tensors;
using Sluice.TestData;

namespace Sluice.Compression.Tests;

/// <summary>The tiny models of golden/models, and what they compute.</summary>
internal static class TinyModel
{
    public static string Find(string name) => SharedFiles.Shared("golden", "models", name + ".gguf");

    /// <summary>Makes a file, runs it, and compares its logits with another's.</summary>
    /// <returns>The largest difference, as a share of the largest logit.</returns>
    public static double Difference(string path, Action<string> makeOther)
    {
        string other = Path.Combine(Path.GetTempPath(), $"sluice-{Guid.NewGuid():N}.gguf");
        try
        {
            makeOther(other);
            float[] expected = Logits(path), actual = Logits(other);
            Assert.Equal(expected.Length, actual.Length);
            return expected.Zip(actual, (e, a) => Math.Abs(e - a)).Max() / expected.Max(MathF.Abs);
        }
        finally
        {
            File.Delete(other);
        }
    }

    /// <summary>Loads a model that computes in float32 throughout, so that nothing but the order of rounding differs.</summary>
    public static Runner Load(string path, Func<Ops, Ops>? wrap = null) =>
        Runner.Load(path, new EngineOptions { Threads = 2, Context = 64, Sequences = 1, KvFormat = "f32", Wrap = wrap });

    public static float[] Logits(Runner runner)
    {
        using SequenceCache sequence = runner.Cache.CreateSequence();
        Assert.True(sequence.TryReserve(16));
        Batch batch = new();
        sequence.Begin(batch);
        for (int i = 0; i < 16; i++)
            batch.Add(3 + 7 * i, wantOutput: true);
        using ScratchScope scope = runner.Ops.Scratch();
        Tensor logits = runner.Forward(batch);
        return [.. Enumerable.Range(0, logits.Rows).SelectMany(row => logits[row].ToArray())];
    }

    private static float[] Logits(string path)
    {
        using Runner runner = Load(path);
        return Logits(runner);
    }
}
