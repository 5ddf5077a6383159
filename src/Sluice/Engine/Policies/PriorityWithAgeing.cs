namespace Sluice;

/// <summary>
/// Higher priority first. A request's priority grows by one every <see cref="Step"/> that it has been there, so that it is
/// overtaken only by so many: as all requests age alike, that is the same as coming that much earlier for each point of priority.
/// </summary>
internal sealed class PriorityWithAgeing : SchedulingPolicy
{
    /// <summary>The waiting that is worth a point of priority.</summary>
    public static readonly TimeSpan Step = TimeSpan.FromSeconds(5);

    public override string Name => "priority";

    public override long Rank(int priority, TimeSpan arrival) => arrival.Ticks - (priority * Step.Ticks);
}
