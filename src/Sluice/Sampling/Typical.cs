namespace Sluice.Sampling;

/// <summary>
/// Locally typical sampling (Meister et al. 2023): the tokens whose surprise, -log probability, is nearest to the expected
/// surprise (the entropy), until their probabilities reach p.
/// </summary>
internal static class Typical
{
    public static void Apply(Candidates candidates, float p)
    {
        double sum = candidates.Weigh(), mean = 0;
        ReadOnlySpan<float> logits = candidates.Logits, weights = candidates.Weights;
        for (int i = 0; i < logits.Length; i++)
        {
            if (weights[i] > 0)
                mean += weights[i] * (double)logits[i];
        }
        // -log probability and entropy hold the same normalising constant: their difference is that of the logits.
        mean /= sum;
        Span<float> keys = candidates.Keys;
        for (int i = 0; i < logits.Length; i++)
            keys[i] = (float)-Math.Abs(mean - logits[i]);
        candidates.KeepBest(keys, p * sum);
    }
}
