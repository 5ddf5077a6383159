using System.Diagnostics;

namespace Sluice.Tensors;

/// <summary>What all calls of one operation took together; see <see cref="ProfilingOps"/>.</summary>
/// <param name="name">The operation and, for a linear map, the weight.</param>
public sealed class OperationProfile(string name)
{
    private long _ticks;

    /// <summary>The operation; of a linear map with the weight, without the layer: <c>Linear ffn_down</c>.</summary>
    public string Name { get; } = name;

    /// <summary>Calls.</summary>
    public long Calls { get; private set; }

    /// <summary>The time from call to return.</summary>
    public TimeSpan Time => Stopwatch.GetElapsedTime(0, _ticks);

    /// <summary>
    /// What must be read or written at least once: weights, cache rows, inputs and results. The smaller of these may be in a
    /// cache of the processor.
    /// </summary>
    public long Bytes { get; private set; }

    /// <summary>Multiply-adds of weights by activations that are products of bytes.</summary>
    public long IntegerProducts { get; private set; }

    /// <summary>Multiply-adds of singles: of other weights, queries, keys and values, states.</summary>
    public long FloatProducts { get; private set; }

    /// <summary>Multiply-adds of weights by activations that are products of bfloat16.</summary>
    public long BFloat16Products { get; private set; }

    internal void Add(long start, long bytes, long integerProducts = 0, long floatProducts = 0, long bfloat16Products = 0)
    {
        _ticks += Stopwatch.GetTimestamp() - start;
        Calls++;
        Bytes += bytes;
        IntegerProducts += integerProducts;
        FloatProducts += floatProducts;
        BFloat16Products += bfloat16Products;
    }

    internal void Reset() => (_ticks, Calls, Bytes, IntegerProducts, FloatProducts, BFloat16Products) = (0, 0, 0, 0, 0, 0);
}
