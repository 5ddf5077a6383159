namespace Sluice.Sampling;

/// <summary>Min-p sampling (Nguyen et al. 2024): tokens at least p times as likely as the most likely one.</summary>
internal static class MinP
{
    public static void Apply(Candidates candidates, float p)
    {
        candidates.Weigh();
        candidates.KeepFrom(p); // the most likely token weighs 1
    }
}
