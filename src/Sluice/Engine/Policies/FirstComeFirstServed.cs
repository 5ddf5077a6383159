namespace Sluice;

/// <summary>First come, first served; priorities count for nothing.</summary>
internal sealed class FirstComeFirstServed : SchedulingPolicy
{
    public override string Name => "fcfs";

    public override long Rank(int priority, TimeSpan arrival) => arrival.Ticks;
}
