namespace Sluice.Sampling;

/// <summary>
/// The tokens that may still be chosen: each filter takes some away. At most <paramref name="capacity"/>; reused from token to
/// token without allocating. Those left stay in the order in which they came.
/// </summary>
internal sealed class Candidates(int capacity)
{
    private readonly int[] ids = new int[capacity];
    private readonly float[] logits = new float[capacity], weights = new float[capacity];
    private float[] keys = [];
    private ulong[] best = [];
    private int count;
    private float max;

    /// <summary>Token ids.</summary>
    public ReadOnlySpan<int> Ids => ids.AsSpan(0, count);

    /// <summary>Their logits.</summary>
    public ReadOnlySpan<float> Logits => logits.AsSpan(0, count);

    /// <summary>What <see cref="Weigh"/> computed; 1 for the largest logit.</summary>
    public ReadOnlySpan<float> Weights => weights.AsSpan(0, count);

    /// <summary>Room for one key a candidate.</summary>
    public Span<float> Keys
    {
        get
        {
            if (keys.Length == 0)
                keys = new float[capacity];
            return keys.AsSpan(0, count);
        }
    }

    /// <summary>Starts with every token; the largest logit is known.</summary>
    public void FillAll(ReadOnlySpan<float> all, float largest)
    {
        all.CopyTo(logits);
        for (int id = 0; id < all.Length; id++)
            ids[id] = id;
        (count, max) = (all.Length, largest);
    }

    /// <summary>Starts with the k best tokens, the best first.</summary>
    public void FillBest(ReadOnlySpan<float> all, int k)
    {
        Selection.Best(all, Best(k));
        for (int i = 0; i < k; i++)
        {
            ids[i] = Selection.Index(best[i]);
            logits[i] = all[ids[i]];
        }
        (count, max) = (k, logits[0]);
    }

    /// <summary>Computes the probabilities at a temperature, but for a common factor.</summary>
    /// <returns>The sum of the weights.</returns>
    public double Weigh(float temperature = 1) => VectorMath.Exponentials(Logits, max, temperature, weights);

    /// <summary>Keeps the fewest candidates of the largest keys whose weights reach a sum; one at least.</summary>
    public void KeepBest(ReadOnlySpan<float> candidateKeys, double sum)
    {
        // A few usually suffice, and those are cheap to find.
        Span<ulong> few = Best(Math.Min(64, count));
        Selection.Best(candidateKeys, few);
        double reached = 0;
        foreach (ulong entry in few)
        {
            reached += weights[Selection.Index(entry)];
            if (reached >= sum)
            {
                Keep(candidateKeys, entry);
                return;
            }
        }
        if (few.Length < count)
            Keep(candidateKeys, Selection.LastOfBest(candidateKeys, Weights, sum, Best(count)));
    }

    /// <summary>Keeps the candidates of at least this weight.</summary>
    public void KeepFrom(float weight)
    {
        int kept = 0;
        for (int i = 0; i < count; i++)
        {
            if (weights[i] >= weight)
                (ids[kept], logits[kept++]) = (ids[i], logits[i]);
        }
        count = kept;
    }

    /// <summary>Keeps the candidates no worse than this one.</summary>
    private void Keep(ReadOnlySpan<float> candidateKeys, ulong last)
    {
        float key = candidateKeys[Selection.Index(last)];
        int kept = 0;
        max = float.NegativeInfinity;
        for (int i = 0; i < candidateKeys.Length; i++)
        {
            if (candidateKeys[i] < key || (candidateKeys[i] == key && i > Selection.Index(last)))
                continue;
            max = Math.Max(max, logits[i]);
            (ids[kept], logits[kept++]) = (ids[i], logits[i]); // the keys may be the logits: written no further than read
        }
        count = kept;
    }

    private Span<ulong> Best(int length)
    {
        if (best.Length < length)
            best = new ulong[length];
        return best.AsSpan(0, length);
    }
}
