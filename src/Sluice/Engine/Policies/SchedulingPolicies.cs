namespace Sluice;

/// <summary>The scheduling policies that there are.</summary>
public static class SchedulingPolicies
{
    /// <summary>All of them; the first is the default.</summary>
    public static IReadOnlyList<SchedulingPolicy> All { get; } = [new FirstComeFirstServed(), new PriorityWithAgeing()];

    /// <summary>The policy of a name.</summary>
    /// <exception cref="ArgumentException">There is none; the message names those that there are.</exception>
    public static SchedulingPolicy Get(string name) => All.FirstOrDefault(policy => policy.Name == name)
        ?? throw new ArgumentException($"There is no scheduling policy '{name}': {string.Join(", ", All.Select(policy => policy.Name))}.", nameof(name));
}
