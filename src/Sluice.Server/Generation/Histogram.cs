using System.Globalization;
using System.Text;

namespace Sluice.Server.Generation;

/// <summary>Counts of values in buckets, as Prometheus shows them.</summary>
internal sealed class Histogram(params double[] bounds)
{
    private readonly Lock _lock = new();
    private readonly long[] _counts = new long[bounds.Length + 1];
    private double _sum;

    /// <summary>Buckets for times from a millisecond to minutes, in seconds.</summary>
    public static Histogram Seconds() =>
        new(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300);

    /// <summary>The mean of all values; null where there are none.</summary>
    public double? Mean
    {
        get
        {
            lock (_lock)
                return _counts.Sum() is > 0 and long count ? _sum / count : null;
        }
    }

    public void Add(double value)
    {
        int bucket = 0;
        while (bucket < bounds.Length && value > bounds[bucket])
            bucket++;
        lock (_lock)
        {
            _counts[bucket]++;
            _sum += value;
        }
    }

    public void Write(StringBuilder page, string name, string labels)
    {
        lock (_lock)
        {
            long count = 0;
            for (int i = 0; i <= bounds.Length; i++)
            {
                count += _counts[i];
                string bound = i < bounds.Length ? bounds[i].ToString(CultureInfo.InvariantCulture) : "+Inf";
                page.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{labels},le=\"{bound}\"}} {count}\n");
            }
            page.Append(CultureInfo.InvariantCulture, $"{name}_sum{{{labels}}} {_sum}\n{name}_count{{{labels}}} {count}\n");
        }
    }
}
