namespace Sluice.Tensors;

/// <summary>The choice of one row's experts.</summary>
internal static class ExpertChoice
{
    /// <summary>Fills <paramref name="chosen"/>, best first (of equals the lower number), and their weights.</summary>
    /// <param name="logits">[experts].</param>
    /// <param name="router">How to choose.</param>
    /// <param name="probabilities">Scratch [experts].</param>
    /// <param name="scores">Scratch [experts].</param>
    /// <param name="chosen">Experts [used], written.</param>
    /// <param name="weights">Their weights [used], written.</param>
    public static void Choose(
        ReadOnlySpan<float> logits, in Router router, Span<float> probabilities, Span<float> scores, Span<int> chosen, Span<float> weights)
    {
        if (router.Gating == Gating.Softmax)
        {
            Softmax(logits, probabilities);
        }
        else
        {
            for (int e = 0; e < logits.Length; e++)
                probabilities[e] = router.Gating == Gating.Sigmoid ? 1 / (1 + MathF.Exp(-logits[e])) : logits[e];
        }
        probabilities.CopyTo(scores);
        for (int e = 0; e < scores.Length && !router.ChoiceBias.IsEmpty; e++)
            scores[e] += router.ChoiceBias[0][e];
        if (router.Groups > 1)
            KeepBestGroups(scores, router);

        for (int j = 0; j < chosen.Length; j++)
        {
            int best = 0;
            for (int e = 1; e < scores.Length; e++)
            {
                if (scores[e] > scores[best])
                    best = e;
            }
            chosen[j] = best;
            weights[j] = probabilities[best];
            scores[best] = float.NegativeInfinity;
        }
        if (router.Gating == Gating.SoftmaxOfChosen)
            Softmax(weights, weights);
        float sum = 0;
        foreach (float weight in weights)
            sum += weight;
        // The smallest normal half keeps a sum of nothing from dividing, as the published implementations do.
        float factor = router.Normalize ? router.Scale / Math.Max(sum, 6.103515625e-5f) : router.Scale;
        foreach (ref float weight in weights)
            weight *= factor;
    }

    /// <summary>Rules out all but the best groups: those whose best scores have the largest sum.</summary>
    private static void KeepBestGroups(Span<float> scores, in Router router)
    {
        int size = scores.Length / router.Groups;
        Span<float> best = stackalloc float[router.Groups];
        for (int g = 0; g < best.Length; g++)
        {
            float first = float.NegativeInfinity, second = float.NegativeInfinity;
            foreach (float score in scores.Slice(g * size, size))
            {
                if (score > first)
                    (first, second) = (score, first);
                else if (score > second)
                    second = score;
            }
            best[g] = Math.Min(size, router.BestOfGroup) == 1 ? first : first + second;
        }
        for (int drop = router.Groups - router.GroupsUsed; drop > 0; drop--)
        {
            int worst = -1;
            for (int g = 0; g < best.Length; g++)
            {
                if (!float.IsPositiveInfinity(best[g]) && (worst < 0 || best[g] <= best[worst]))
                    worst = g;
            }
            scores.Slice(worst * size, size).Fill(float.NegativeInfinity);
            best[worst] = float.PositiveInfinity; // dropped
        }
    }

    private static void Softmax(ReadOnlySpan<float> x, Span<float> result)
    {
        float max = float.NegativeInfinity, sum = 0;
        foreach (float value in x)
            max = Math.Max(max, value);
        for (int i = 0; i < x.Length; i++)
        {
            result[i] = MathF.Exp(x[i] - max);
            sum += result[i];
        }
        for (int i = 0; i < result.Length; i++)
            result[i] /= sum;
    }
}
