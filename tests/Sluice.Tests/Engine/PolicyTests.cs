namespace Sluice.Tests.Engine;

public class PolicyTests
{
    [Fact]
    public void Every_policy_is_listed_under_a_name_of_its_own()
    {
        IEnumerable<Type> there = typeof(SchedulingPolicy).Assembly.GetTypes().Where(type => type.IsSubclassOf(typeof(SchedulingPolicy)));
        Assert.Equal(there.ToHashSet(), SchedulingPolicies.All.Select(policy => policy.GetType()).ToHashSet());
        Assert.Equal(SchedulingPolicies.All.Count, SchedulingPolicies.All.Select(policy => policy.Name).Distinct().Count());
        Assert.All(SchedulingPolicies.All, policy => Assert.Same(policy, SchedulingPolicies.Get(policy.Name)));
    }

    [Fact]
    public void An_unknown_name_is_refused_with_those_that_there_are()
    {
        ArgumentException error = Assert.Throws<ArgumentException>(() => new EngineOptions { Policy = "fair" }.Validate());
        Assert.Contains("'fair'", error.Message, StringComparison.Ordinal);
        Assert.Contains("fcfs, priority", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void First_come_first_served_ignores_priority()
    {
        SchedulingPolicy policy = SchedulingPolicies.Get("fcfs");
        Assert.True(policy.Rank(0, TimeSpan.FromSeconds(1)) < policy.Rank(int.MaxValue, TimeSpan.FromSeconds(2)));
    }

    [Fact]
    public void A_higher_priority_goes_first_until_the_other_has_waited_long_enough()
    {
        SchedulingPolicy policy = SchedulingPolicies.Get("priority");
        TimeSpan came = TimeSpan.FromHours(5), second = TimeSpan.FromSeconds(1);
        long calm = policy.Rank(0, came);
        Assert.True(calm < policy.Rank(0, came + second));
        Assert.True(calm > policy.Rank(1, came + second));
        Assert.True(calm > policy.Rank(3, came + (14 * second)));
        Assert.True(calm < policy.Rank(3, came + (16 * second)));
        Assert.True(policy.Rank(int.MaxValue, came) < calm && calm < policy.Rank(int.MinValue, came)); // no overflow
    }
}
