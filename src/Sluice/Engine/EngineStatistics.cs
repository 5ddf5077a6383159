namespace Sluice;

/// <summary>What an engine is doing and has done, at one moment.</summary>
public sealed record EngineStatistics
{
    /// <summary>Requests that are being computed.</summary>
    public int Running { get; init; }

    /// <summary>Requests that wait, new or set aside.</summary>
    public int Waiting { get; init; }

    /// <summary>The cache, a group of layers each; none where the model has no attention layers.</summary>
    public IReadOnlyList<BlockCounts> Groups { get; init; } = [];

    /// <summary>The share of the cache that requests hold, 0 to 1: of the fullest group.</summary>
    public double CacheUse => Groups.Count == 0 ? 0 : Groups.Max(group => group.Total == 0 ? 0 : (double)group.Used / group.Total);

    /// <summary>All blocks of the cache.</summary>
    public int Blocks => Groups.Sum(group => group.Total);

    /// <summary>Blocks that requests can have: empty ones, and those kept for prompts that begin alike.</summary>
    public int FreeBlocks => Groups.Sum(group => group.Free + group.Cached);

    /// <summary>Tokens of prompts that were admitted.</summary>
    public long PrefixQueriedTokens { get; init; }

    /// <summary>Of those, the ones that were found in the cache.</summary>
    public long PrefixHitTokens { get; init; }

    /// <summary>Cached blocks that were given up for others.</summary>
    public long Evictions { get; init; }

    /// <summary>Evicted blocks that were written to disk.</summary>
    public long DiskWrites { get; init; }

    /// <summary>Blocks that were read back.</summary>
    public long DiskReads { get; init; }

    /// <summary>Times that a running request was set aside because the cache was full.</summary>
    public long Preemptions { get; init; }

    /// <summary>Requests that ended with their last token.</summary>
    public long Completed { get; init; }

    /// <summary>Requests that were cancelled.</summary>
    public long Cancelled { get; init; }

    /// <summary>Requests that ended with an error.</summary>
    public long Failed { get; init; }

    /// <summary>Tokens that were computed to read prompts, those that were computed again included.</summary>
    public long PromptTokens { get; init; }

    /// <summary>Tokens that were generated.</summary>
    public long GeneratedTokens { get; init; }

    /// <summary>Steps.</summary>
    public long Steps { get; init; }

    /// <summary>The time that they took.</summary>
    public TimeSpan StepTime { get; init; }

    /// <summary>The time that the last one took.</summary>
    public TimeSpan LastStepTime { get; init; }

    /// <summary>The tokens of the last one.</summary>
    public int LastStepTokens { get; init; }

    /// <summary>The requests that may run at once at present.</summary>
    public int RunningLimit { get; init; }
}

/// <summary>The blocks of a cache group.</summary>
/// <param name="Total">All of them.</param>
/// <param name="Used">Those that requests hold.</param>
/// <param name="Cached">Those that nobody holds but that are kept for requests that begin alike; others may have them.</param>
/// <param name="Free">Those that are empty.</param>
public readonly record struct BlockCounts(int Total, int Used, int Cached, int Free);
