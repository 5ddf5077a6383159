using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Formats;

/// <summary>The numbers that a scale multiplies: a value is a scale times one of them.</summary>
internal interface IRounding
{
    /// <summary>The smallest.</summary>
    float Lowest { get; }

    /// <summary>The largest.</summary>
    float Highest { get; }

    /// <summary>The nearest number of each lane.</summary>
    Vector512<float> Nearest(Vector512<float> x);
}

/// <summary>All integers of a range.</summary>
internal readonly struct Integers(int lowest, int highest) : IRounding
{
    public float Lowest => lowest;

    public float Highest => highest;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<float> Nearest(Vector512<float> x) =>
        Trials.Clamp(Vector512.Round(x), Vector512.Create((float)lowest), Vector512.Create((float)highest));
}

/// <summary>Sixteen numbers in ascending order, found by halving four times.</summary>
internal readonly struct Levels : IRounding
{
    private readonly Vector512<float> _levels;
    private readonly Vector512<float> _bounds; // of level i, in lane i: half way from the one below

    public Levels(ReadOnlySpan<sbyte> ascending)
    {
        Span<float> levels = stackalloc float[16], bounds = stackalloc float[16];
        for (int i = 0; i < 16; i++)
        {
            levels[i] = ascending[i];
            bounds[i] = i == 0 ? float.NegativeInfinity : 0.5f * (ascending[i - 1] + ascending[i]);
        }
        (_levels, _bounds) = (Vector512.Create<float>(levels), Vector512.Create<float>(bounds));
    }

    public float Lowest => _levels[0];

    public float Highest => _levels[15];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<float> Nearest(Vector512<float> x) => Vector512.Shuffle(_levels, Find(x));

    /// <summary>The numbers' own numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector512<int> Find(Vector512<float> x)
    {
        Vector512<int> index = default;
        for (int step = 8; step > 0; step >>= 1)
        {
            Vector512<int> upper = index + Vector512.Create(step);
            Vector512<int> isAbove = Vector512.GreaterThan(x, Vector512.Shuffle(_bounds, upper)).AsInt32();
            index |= isAbove & Vector512.Create(step);
        }
        return index;
    }

    /// <summary>The number of each value's nearest level; values are a multiple of 16.</summary>
    public void Encode(ReadOnlySpan<float> values, float scale, Span<sbyte> codes)
    {
        Vector512<float> inverse = Trials.Inverse(Vector512.Create(scale));
        for (int i = 0; i < values.Length; i += 16)
        {
            Vector512<int> found = Find(Vector512.Create(values[i..]) * inverse);
            for (int j = 0; j < 16; j++)
                codes[i + j] = (sbyte)found[j];
        }
    }
}
