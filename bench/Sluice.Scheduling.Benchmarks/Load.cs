using System.Diagnostics;
using Sluice.Sampling;

namespace Sluice.Scheduling.Benchmarks;

/// <summary>Requests to an engine in this process, and when their tokens came.</summary>
internal sealed class Load(Engine engine, int vocabulary)
{
    private readonly EngineStatistics _before = engine.Statistics;
    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly Random _random = new(1);
    private readonly List<double> _firsts = [], _gaps = [];
    private readonly List<Task> _open = [];

    /// <summary>Made-up tokens.</summary>
    public int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(_ => _random.Next(1, vocabulary))];

    /// <summary>Submits a request now.</summary>
    public Task Submit(int[] prompt, int tokens)
    {
        Task task = Run(engine.Generate(new Request { Prompt = prompt, MaxTokens = tokens, IgnoreEnd = true, Sampling = SamplingOptions.Greedy }));
        lock (_open)
            _open.Add(task);
        return task;
    }

    /// <summary>Waits for all, and says how it went.</summary>
    public async Task Report(string name)
    {
        await Task.WhenAll(_open);
        EngineStatistics after = engine.Statistics;
        Console.WriteLine(
            $"{name,-34} TTFT mean {_firsts.Average() * 1e3,7:f0} ms, max {_firsts.Max() * 1e3,7:f0} ms; between tokens p50 {Percentile(0.5),6:f1} ms, "
            + $"p99 {Percentile(0.99),6:f1} ms; {(after.GeneratedTokens - _before.GeneratedTokens) / Stopwatch.GetElapsedTime(_start).TotalSeconds,6:f1} tokens/s; "
            + $"{after.PrefixHitTokens - _before.PrefixHitTokens:N0} of {after.PrefixQueriedTokens - _before.PrefixQueriedTokens:N0} prompt tokens cached "
            + $"({(double)(after.PrefixHitTokens - _before.PrefixHitTokens) / (after.PrefixQueriedTokens - _before.PrefixQueriedTokens):p2}); "
            + $"{after.Preemptions - _before.Preemptions} set aside");
    }

    private async Task Run(IAsyncEnumerable<GeneratedToken> tokens)
    {
        long last = Stopwatch.GetTimestamp();
        bool isFirst = true;
        await foreach (GeneratedToken _ in tokens)
        {
            double seconds = Stopwatch.GetElapsedTime(last).TotalSeconds;
            last = Stopwatch.GetTimestamp();
            lock (_firsts)
                (isFirst ? _firsts : _gaps).Add(seconds);
            isFirst = false;
        }
    }

    private double Percentile(double share)
    {
        if (_gaps.Count == 0)
            return double.NaN;
        double[] sorted = [.. _gaps.Order()];
        return sorted[(int)(share * (sorted.Length - 1))] * 1e3;
    }
}
