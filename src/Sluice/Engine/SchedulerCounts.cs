namespace Sluice;

/// <summary>What a scheduler has counted since it began.</summary>
internal sealed class SchedulerCounts
{
    /// <summary>Times that a running request was set aside.</summary>
    public long Preemptions { get; set; }

    /// <summary>Tokens of admitted prompts, those set aside before not counted again.</summary>
    public long PrefixQueriedTokens { get; private set; }

    /// <summary>Of those, the ones that were found in the cache.</summary>
    public long PrefixHitTokens { get; private set; }

    /// <summary>Requests whose last token was delivered.</summary>
    public long Completed { get; private set; }

    /// <summary>Requests that were cancelled.</summary>
    public long Cancelled { get; private set; }

    /// <summary>Requests that ended with another error.</summary>
    public long Failed { get; private set; }

    /// <summary>Counts what a request found in the cache; once it was set aside it mostly finds its own, which proves nothing.</summary>
    public void Reused(Sequence sequence, int queried, int tokens)
    {
        if (sequence.Preemptions > 0)
            return;
        PrefixQueriedTokens += queried;
        PrefixHitTokens += tokens;
    }

    /// <summary>Counts a request that ended.</summary>
    public void Ended(Sequence sequence)
    {
        if (sequence.Error is null)
            Completed++;
        else if (sequence.Error is OperationCanceledException)
            Cancelled++;
        else
            Failed++;
    }
}
