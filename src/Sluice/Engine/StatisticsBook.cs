using Sluice.Cache;

namespace Sluice;

/// <summary>What an engine's steps did, and how things stand.</summary>
/// <remarks>Used under the lock of the engine's books. Noting a step allocates nothing.</remarks>
internal sealed class StatisticsBook(KvCache cache, Scheduler scheduler, StepBudget budget)
{
    private long _promptTokens, _generatedTokens, _steps;
    private int _lastTokens;
    private TimeSpan _time, _lastTime;

    /// <summary>Notes a step with tokens.</summary>
    public void AddStep(int promptTokens, int generated, int tokens, TimeSpan time)
    {
        _steps++;
        _promptTokens += promptTokens;
        _generatedTokens += generated;
        _time += time;
        (_lastTokens, _lastTime) = (tokens, time);
    }

    /// <summary>All of it, at this moment.</summary>
    public EngineStatistics Read() => new()
    {
        Running = scheduler.Running.Count,
        Waiting = scheduler.Waiting,
        RunningLimit = budget.RunningLimit,
        Groups = [.. cache.Groups.Select((group, index) => Count(group.Pool, cache.Cached(index)))],
        PrefixQueriedTokens = scheduler.Counts.PrefixQueriedTokens,
        PrefixHitTokens = scheduler.Counts.PrefixHitTokens,
        Evictions = cache.Evictions,
        DiskWrites = cache.Disk?.Writes ?? 0,
        DiskReads = cache.Disk?.Reads ?? 0,
        Preemptions = scheduler.Counts.Preemptions,
        Completed = scheduler.Counts.Completed,
        Cancelled = scheduler.Counts.Cancelled,
        Failed = scheduler.Counts.Failed,
        PromptTokens = _promptTokens,
        GeneratedTokens = _generatedTokens,
        Steps = _steps,
        StepTime = _time,
        LastStepTime = _lastTime,
        LastStepTokens = _lastTokens,
    };

    private static BlockCounts Count(BlockPool pool, int cached) => new(pool.Count, pool.Count - pool.Free - cached, cached, pool.Free);
}
