namespace Sluice.Tokenizers.Templates.Values;

/// <summary>
/// Merge sort: keeps the order of equal elements as Python's does, and lets an exception of the comparison through, which
/// <see cref="Array.Sort(Array)"/> would wrap.
/// </summary>
internal static class StableSort
{
    public static T[] Of<T>(T[] items, Comparison<T> compare)
    {
        T[] sorted = [.. items], spare = new T[items.Length];
        for (int width = 1; width < items.Length; width *= 2)
        {
            for (int start = 0; start < items.Length; start += 2 * width)
            {
                int middle = Math.Min(start + width, items.Length), end = Math.Min(middle + width, items.Length);
                Merge(sorted, spare, start, middle, end, compare);
            }
            (sorted, spare) = (spare, sorted);
        }
        return sorted;
    }

    private static void Merge<T>(T[] from, T[] to, int left, int middle, int end, Comparison<T> compare)
    {
        int right = middle;
        for (int i = left; i < end; i++)
        {
            bool takeLeft = left < middle && (right >= end || compare(from[right], from[left]) >= 0);
            to[i] = takeLeft ? from[left++] : from[right++];
        }
    }
}
