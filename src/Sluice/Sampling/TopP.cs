namespace Sluice.Sampling;

/// <summary>Nucleus sampling (Holtzman et al. 2020): the fewest most likely tokens whose probabilities reach p.</summary>
internal static class TopP
{
    public static void Apply(Candidates candidates, float p)
    {
        double sum = candidates.Weigh();
        candidates.KeepBest(candidates.Logits, p * sum);
    }
}
