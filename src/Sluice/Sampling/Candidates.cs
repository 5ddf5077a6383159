namespace Sluice.Sampling;

/// <summary>
/// The tokens that may still be chosen: each filter takes some away. At most <paramref name="capacity"/>; reused from token to
/// token without allocating. Those left stay in the order in which they came.
/// </summary>
internal sealed class Candidates(int capacity)
{
    private readonly int[] _ids = new int[capacity];
    private readonly float[] _logits = new float[capacity], _weights = new float[capacity];
    private float[] _keys = [];
    private ulong[] _best = [];
    private int _count;
    private float _max;

    /// <summary>Token ids.</summary>
    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, _count);

    /// <summary>Their logits.</summary>
    public ReadOnlySpan<float> Logits => _logits.AsSpan(0, _count);

    /// <summary>What <see cref="Weigh"/> computed; 1 for the largest logit.</summary>
    public ReadOnlySpan<float> Weights => _weights.AsSpan(0, _count);

    /// <summary>Room for one key a candidate.</summary>
    public Span<float> Keys
    {
        get
        {
            if (_keys.Length == 0)
                _keys = new float[capacity];
            return _keys.AsSpan(0, _count);
        }
    }

    /// <summary>Starts with every token; the largest logit is known.</summary>
    public void FillAll(ReadOnlySpan<float> all, float largest)
    {
        all.CopyTo(_logits);
        for (int id = 0; id < all.Length; id++)
            _ids[id] = id;
        (_count, _max) = (all.Length, largest);
    }

    /// <summary>Starts with the k best tokens, the best first.</summary>
    public void FillBest(ReadOnlySpan<float> all, int k)
    {
        Selection.Best(all, Best(k));
        for (int i = 0; i < k; i++)
        {
            _ids[i] = Selection.Index(_best[i]);
            _logits[i] = all[_ids[i]];
        }
        (_count, _max) = (k, _logits[0]);
    }

    /// <summary>Computes the probabilities at a temperature, but for a common factor.</summary>
    /// <returns>The sum of the weights.</returns>
    public double Weigh(float temperature = 1) => VectorMath.Exponentials(Logits, _max, temperature, _weights);

    /// <summary>Keeps the fewest candidates of the largest keys whose weights reach a sum; one at least.</summary>
    public void KeepBest(ReadOnlySpan<float> candidateKeys, double sum)
    {
        // A few usually suffice, and those are cheap to find.
        Span<ulong> few = Best(Math.Min(64, _count));
        Selection.Best(candidateKeys, few);
        double reached = 0;
        foreach (ulong entry in few)
        {
            reached += _weights[Selection.Index(entry)];
            if (reached >= sum)
            {
                Keep(candidateKeys, entry);
                return;
            }
        }
        if (few.Length < _count)
            Keep(candidateKeys, Selection.LastOfBest(candidateKeys, Weights, sum, Best(_count)));
    }

    /// <summary>Keeps the candidates of at least this weight.</summary>
    public void KeepFrom(float weight)
    {
        int kept = 0;
        for (int i = 0; i < _count; i++)
        {
            if (_weights[i] >= weight)
                (_ids[kept], _logits[kept++]) = (_ids[i], _logits[i]);
        }
        _count = kept;
    }

    /// <summary>Keeps the candidates no worse than this one.</summary>
    private void Keep(ReadOnlySpan<float> candidateKeys, ulong last)
    {
        float key = candidateKeys[Selection.Index(last)];
        int kept = 0;
        _max = float.NegativeInfinity;
        for (int i = 0; i < candidateKeys.Length; i++)
        {
            if (candidateKeys[i] < key || (candidateKeys[i] == key && i > Selection.Index(last)))
                continue;
            _max = Math.Max(_max, _logits[i]);
            (_ids[kept], _logits[kept++]) = (_ids[i], _logits[i]); // the keys may be the logits: written no further than read
        }
        _count = kept;
    }

    private Span<ulong> Best(int length)
    {
        if (_best.Length < length)
            _best = new ulong[length];
        return _best.AsSpan(0, length);
    }
}
