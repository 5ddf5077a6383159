namespace Sluice.Compression;

/// <summary>How many of some numbers have which magnitude, to within 1/256 of it, whatever their range.</summary>
public sealed class MagnitudeHistogram
{
    // A bin holds the floats that agree in exponent and the first 8 bits of the fraction.
    private const int Shift = 15;
    private readonly long[] _counts = new long[1 << (31 - Shift)];

    /// <summary>Numbers so far.</summary>
    public long Count { get; private set; }

    /// <summary>Adds numbers.</summary>
    public void Add(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
            _counts[(BitConverter.SingleToInt32Bits(value) & int.MaxValue) >> Shift]++;
        Count += values.Length;
    }

    /// <summary>The magnitude below which a share of the numbers lies; above 0, so that zeros alone are below where they suffice.</summary>
    public float Quantile(float share)
    {
        double wanted = (double)share * Count, before = 0;
        for (int bin = 0; bin < _counts.Length; bin++)
        {
            if (before + _counts[bin] >= wanted && _counts[bin] > 0)
                return Math.Max(Edge(bin) + (float)((Edge(bin + 1) - Edge(bin)) * ((wanted - before) / _counts[bin])), float.Epsilon);
            before += _counts[bin];
        }
        return float.Epsilon;
    }

    /// <summary>The share of the numbers whose magnitude is below.</summary>
    public float ShareBelow(float magnitude)
    {
        int last = BitConverter.SingleToInt32Bits(magnitude) >> Shift;
        double below = 0;
        for (int bin = 0; bin < last; bin++)
            below += _counts[bin];
        below += _counts[last] * (magnitude - Edge(last)) / (Edge(last + 1) - Edge(last));
        return Count == 0 ? 0 : (float)(below / Count);
    }

    private static float Edge(int bin) => Math.Min(BitConverter.Int32BitsToSingle(bin << Shift), float.MaxValue);
}
