using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Sluice.Sampling;

/// <summary>The best of many keys, without sorting all: the largest, and among equals the lower index.</summary>
internal static class Selection
{
    private const int Lanes = 8;

    /// <summary>
    /// Finds the k best keys, in order: a heap of the best so far, and a vector comparison that passes over all that cannot
    /// enter it. No key is NaN.
    /// </summary>
    /// <param name="keys">The keys.</param>
    /// <param name="best">As many entries as are wanted, at most keys.Length; written, the best first.</param>
    public static void Best(ReadOnlySpan<float> keys, Span<ulong> best)
    {
        if (best.IsEmpty)
            return;
        for (int i = 0; i < best.Length; i++)
            best[i] = Entry(keys[i], i);
        for (int i = (best.Length / 2) - 1; i >= 0; i--)
            SiftDown(best, i);

        int next = best.Length;
        for (; next % Lanes != 0 && next < keys.Length; next++)
            Offer(keys[next], next, best);
        ReadOnlySpan<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(keys);
        Vector256<float> worst = Vector256.Create(Key(best[0]));
        for (int v = next / Lanes; v < vectors.Length; v++)
        {
            if (!Vector256.GreaterThanAny(vectors[v], worst))
                continue;
            for (int i = v * Lanes; i < (v + 1) * Lanes; i++)
                Offer(keys[i], i, best);
            worst = Vector256.Create(Key(best[0]));
        }
        for (int i = Math.Max(next, vectors.Length * Lanes); i < keys.Length; i++)
            Offer(keys[i], i, best);

        best.Sort();
        best.Reverse();
    }

    /// <summary>
    /// Finds the last of the fewest best keys whose weights reach a sum: quickselect (Hoare 1961) by weight in place of count.
    /// </summary>
    /// <param name="keys">The keys; none is NaN.</param>
    /// <param name="weights">What each counts, 0 or more.</param>
    /// <param name="sum">What is to be reached; the last of all is found where it never is.</param>
    /// <param name="scratch">Room for keys.Length entries.</param>
    /// <returns>Its entry.</returns>
    public static ulong LastOfBest(ReadOnlySpan<float> keys, ReadOnlySpan<float> weights, double sum, Span<ulong> scratch)
    {
        Span<ulong> left = scratch[..keys.Length];
        for (int i = 0; i < left.Length; i++)
            left[i] = Entry(keys[i], i);
        while (left.Length > 1)
        {
            ulong a = left[0], b = left[left.Length / 2], c = left[^1];
            ulong pivot = Math.Max(Math.Min(a, b), Math.Min(Math.Max(a, b), c)); // the middle one, so both parts have some
            int better = 0;
            double reached = 0;
            for (int i = 0; i < left.Length; i++)
            {
                if (left[i] <= pivot)
                    continue;
                reached += weights[Index(left[i])];
                (left[better], left[i]) = (left[i], left[better]);
                better++;
            }
            if (better > 0 && reached >= sum)
            {
                left = left[..better];
                continue;
            }
            sum -= reached;
            left = left[better..];
            int at = left.IndexOf(pivot);
            sum -= weights[Index(pivot)];
            if (sum <= 0 || left.Length == 1)
                return pivot;
            (left[at], left[0]) = (left[0], left[at]);
            left = left[1..];
        }
        return left[0];
    }

    /// <summary>The index in an entry.</summary>
    public static int Index(ulong entry) => (int)~(uint)entry;

    /// <summary>
    /// A key and its index as one number that orders as they do: the float's bits made monotone (negative ones inverted, the
    /// sign of the others set) above the inverted index.
    /// </summary>
    private static ulong Entry(float key, int index)
    {
        int bits = BitConverter.SingleToInt32Bits(key + 0f); // + 0: negative zero equals zero
        uint ordered = (uint)(bits ^ ((bits >> 31) | int.MinValue));
        return ((ulong)ordered << 32) | ~(uint)index;
    }

    private static float Key(ulong entry)
    {
        int ordered = (int)(entry >> 32);
        return BitConverter.Int32BitsToSingle(ordered ^ (~(ordered >> 31) | int.MinValue));
    }

    private static void Offer(float key, int index, Span<ulong> heap)
    {
        ulong entry = Entry(key, index);
        if (entry <= heap[0])
            return;
        heap[0] = entry;
        SiftDown(heap, 0);
    }

    private static void SiftDown(Span<ulong> heap, int parent)
    {
        ulong entry = heap[parent];
        for (int child; (child = (2 * parent) + 1) < heap.Length; parent = child)
        {
            if (child + 1 < heap.Length && heap[child + 1] < heap[child])
                child++;
            if (entry <= heap[child])
                break;
            heap[parent] = heap[child];
        }
        heap[parent] = entry;
    }
}
