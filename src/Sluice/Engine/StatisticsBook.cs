using Sluice.Cache;

namespace Sluice;

/// <summary>Where the engine's thread notes what it does, for other threads to read. Noting allocates nothing.</summary>
internal sealed class StatisticsBook(KvCache cache, SchedulerCounts counts)
{
    private readonly Lock _lock = new();
    private readonly BlockCounts[] _groups = new BlockCounts[cache.Groups.Count];
    private int _running, _waiting, _runningLimit, _lastTokens;
    private long _queried, _hits, _evictions, _diskWrites, _diskReads, _preemptions, _completed, _cancelled, _failed, _prompt, _generated, _steps;
    private TimeSpan _stepTime, _lastStepTime;

    /// <summary>Notes a step with tokens.</summary>
    public void AddStep(int promptTokens, int generated, int tokens, TimeSpan time)
    {
        lock (_lock)
        {
            _steps++;
            _prompt += promptTokens;
            _generated += generated;
            _stepTime += time;
            (_lastTokens, _lastStepTime) = (tokens, time);
        }
    }

    /// <summary>Notes how things stand.</summary>
    public void Update(int running, int waiting, int runningLimit)
    {
        lock (_lock)
        {
            (_running, _waiting, _runningLimit) = (running, waiting, runningLimit);
            (_queried, _hits, _preemptions) = (counts.PrefixQueriedTokens, counts.PrefixHitTokens, counts.Preemptions);
            (_completed, _cancelled, _failed) = (counts.Completed, counts.Cancelled, counts.Failed);
            _evictions = cache.Evictions;
            (_diskWrites, _diskReads) = (cache.Disk?.Writes ?? 0, cache.Disk?.Reads ?? 0);
            for (int g = 0; g < _groups.Length; g++)
            {
                BlockPool pool = cache.Groups[g].Pool;
                int cached = cache.Cached(g);
                _groups[g] = new BlockCounts(pool.Count, pool.Count - pool.Free - cached, cached, pool.Free);
            }
        }
    }

    /// <summary>What was noted last.</summary>
    public EngineStatistics Read()
    {
        lock (_lock)
        {
            return new EngineStatistics
            {
                Running = _running,
                Waiting = _waiting,
                RunningLimit = _runningLimit,
                Groups = [.. _groups],
                PrefixQueriedTokens = _queried,
                PrefixHitTokens = _hits,
                Evictions = _evictions,
                DiskWrites = _diskWrites,
                DiskReads = _diskReads,
                Preemptions = _preemptions,
                Completed = _completed,
                Cancelled = _cancelled,
                Failed = _failed,
                PromptTokens = _prompt,
                GeneratedTokens = _generated,
                Steps = _steps,
                StepTime = _stepTime,
                LastStepTime = _lastStepTime,
                LastStepTokens = _lastTokens,
            };
        }
    }
}
