namespace Sluice;

/// <summary>
/// The order in which requests are served: who is admitted first, who gets the larger part of a step's prompt tokens, and, from
/// the other end, who is set aside when the cache is full. A policy is one file that derives from this class, and one line in
/// <see cref="SchedulingPolicies"/>.
/// </summary>
public abstract class SchedulingPolicy
{
    /// <summary>The name that options use, as in <c>fcfs</c>.</summary>
    public abstract string Name { get; }

    /// <summary>
    /// A request's place in the order: lower goes first, and of equals the one that came first. It never changes while the
    /// request lives, so that two requests cannot set each other aside in turn; nothing starves if of all requests that ever
    /// come only finitely many rank before a given one.
    /// </summary>
    /// <param name="priority"><see cref="Request.Priority"/>.</param>
    /// <param name="arrival">When the request came, counted from any fixed moment.</param>
    public abstract long Rank(int priority, TimeSpan arrival);
}
