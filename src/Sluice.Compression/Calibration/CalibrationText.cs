namespace Sluice.Compression;

/// <summary>How a model is run on calibration text: one sequence, a chunk a step, chunks spread evenly over the text.</summary>
internal static class CalibrationText
{
    /// <summary>For such runs, with nothing kept between chunks.</summary>
    public static EngineOptions Options(int length, int threads) => new()
    {
        Threads = threads,
        Context = length,
        StepTokens = length,
        Sequences = 1,
        PrefixCache = false,
    };

    /// <summary>Where each chunk begins.</summary>
    /// <param name="tokens">Tokens of the text, at least one chunk.</param>
    /// <param name="length">Tokens of a chunk.</param>
    /// <param name="wanted">Tokens to run.</param>
    public static int[] Starts(int tokens, int length, int wanted)
    {
        int count = Math.Max(1, Math.Min(wanted, tokens) / length);
        return [.. Enumerable.Range(0, count).Select(chunk => (int)((long)(tokens - length) * chunk / Math.Max(1, count - 1)))];
    }
}
