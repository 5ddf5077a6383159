using Sluice.Sampling;

namespace Sluice.Tests.Sampling;

/// <summary>The filters in plain double arithmetic with full sorts.</summary>
internal static class Reference
{
    /// <summary>What each token's chance is, and 0 for those that the filters take away.</summary>
    public static double[] Probabilities(float[] logits, SamplingOptions options)
    {
        List<int> left = [.. Enumerable.Range(0, logits.Length)];
        if (options.TopK > 0)
            left = [.. left.OrderByDescending(i => logits[i]).ThenBy(i => i).Take(options.TopK)];
        if (options.Typical < 1)
        {
            Dictionary<int, double> p = Softmax(left, logits, 1);
            double entropy = -p.Values.Sum(x => x * Math.Log(x));
            left = Fewest(left.OrderBy(i => Math.Round(Math.Abs(-Math.Log(p[i]) - entropy), 9)).ThenBy(i => i), p, options.Typical);
        }
        if (options.TopP < 1)
            left = Fewest(left.OrderByDescending(i => logits[i]).ThenBy(i => i), Softmax(left, logits, 1), options.TopP);
        if (options.MinP > 0)
        {
            double max = left.Max(i => logits[i]);
            left = [.. left.Where(i => Math.Exp(logits[i] - max) >= options.MinP)];
        }
        double[] result = new double[logits.Length];
        foreach ((int token, double p) in Softmax(left, logits, options.Temperature))
            result[token] = p;
        return result;
    }

    private static Dictionary<int, double> Softmax(List<int> tokens, float[] logits, double temperature)
    {
        double max = tokens.Max(i => logits[i]), sum = tokens.Sum(i => Math.Exp((logits[i] - max) / temperature));
        return tokens.ToDictionary(i => i, i => Math.Exp((logits[i] - max) / temperature) / sum);
    }

    private static List<int> Fewest(IEnumerable<int> ordered, Dictionary<int, double> probabilities, double mass)
    {
        List<int> kept = [];
        double reached = 0;
        foreach (int token in ordered)
        {
            kept.Add(token);
            reached += probabilities[token];
            if (reached >= mass)
                break;
        }
        return kept;
    }
}
