using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Sluice.Tensors.Formats;

/// <summary>
/// The points of a code book that are nearest to every cell of the space: a cell is what rounds to the same levels in all coordinates, and
/// has a list of 16 points. The nearest point of a value is sought among its cell's, all at once.
/// </summary>
internal sealed class Neighbours
{
    /// <summary>Points of a cell's list.</summary>
    private const int Listed = Trials.Count;

    private readonly CodeBook _book;
    private readonly int _levels;
    private readonly float _first, _inverseStep;
    private readonly ushort[] _indices; // [cell][16]
    private readonly sbyte[] _points; // [cell][coordinate][16]

    public Neighbours(CodeBook book)
    {
        _book = book;
        sbyte[] levels = [.. book.Points.ToArray().Distinct().Order()];
        _levels = levels.Length;
        _first = levels[0];
        _inverseStep = (_levels - 1f) / (levels[^1] - levels[0]);
        Size = MathF.Sqrt(book.Points.ToArray().Sum(point => (float)point * point) / book.Points.Length);
        int cells = (int)Math.Pow(_levels, book.Width);
        _indices = new ushort[cells * Listed];
        _points = new sbyte[cells * Listed * book.Width];
        short[] columns = new short[book.Points.Length]; // [coordinate][point]
        for (int i = 0; i < columns.Length; i++)
            columns[i % book.Width * book.Count + i / book.Width] = book.Points[i];
        Parallel.For(0, cells, cell => List(cell, levels, columns));
    }

    /// <summary>The root of the mean square of all points' coordinates.</summary>
    public float Size { get; }

    /// <summary>Finds the point that comes nearest.</summary>
    /// <param name="values">A value for each coordinate.</param>
    /// <param name="weights">What each one's squared error counts.</param>
    /// <param name="inverse">1 / scale.</param>
    /// <param name="shift">What is added to every coordinate of every point.</param>
    /// <param name="qq">The weighted squares of the shifted point are added to this.</param>
    /// <param name="qx">The weighted products of the shifted point and the values are added to this.</param>
    /// <returns>The number of the point.</returns>
    public int Find(ReadOnlySpan<float> values, ReadOnlySpan<float> weights, float inverse, float shift, ref float qq, ref float qx)
    {
        int cell = 0;
        for (int j = values.Length - 1; j >= 0; j--)
        {
            float level = (values[j] * inverse - shift - _first) * _inverseStep;
            cell = cell * _levels + (int)MathF.Min(MathF.Max(level, 0) + 0.5f, _levels - 1);
        }
        int start = cell * Listed;
        ref sbyte points = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(_points), start * values.Length);
        Vector512<float> error = default;
        for (int j = 0; j < values.Length; j++)
        {
            Vector512<float> difference = Widen(Vector128.LoadUnsafe(ref points, (nuint)(Listed * j))) - Vector512.Create(values[j] * inverse - shift);
            error += difference * weights[j] * difference;
        }
        int lane = Trials.Best(error).Lane;
        for (int j = 0; j < values.Length; j++)
        {
            float q = Unsafe.Add(ref points, Listed * j + lane) + shift, weighted = weights[j] * q;
            qq += weighted * q;
            qx += weighted * values[j];
        }
        return _indices[start + lane];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Widen(Vector128<sbyte> bytes)
    {
        if (Avx512F.IsSupported)
            return Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(bytes));
        (Vector128<short> low, Vector128<short> high) = Vector128.Widen(bytes);
        (Vector128<int> a, Vector128<int> b) = Vector128.Widen(low);
        (Vector128<int> c, Vector128<int> d) = Vector128.Widen(high);
        return Vector512.ConvertToSingle(Vector512.Create(Vector256.Create(a, b), Vector256.Create(c, d)));
    }

    // The 16 points nearest to a cell's middle, of equally near ones those of the lowest numbers.
    private void List(int cell, ReadOnlySpan<sbyte> levels, ReadOnlySpan<short> columns)
    {
        int width = _book.Width, count = _book.Count;
        Span<short> distances = stackalloc short[count];
        distances.Clear();
        for (int j = 0, rest = cell; j < width; j++, rest /= _levels)
        {
            Vector256<short> middle = Vector256.Create((short)levels[rest % _levels]);
            for (int i = 0; i < count; i += Vector256<short>.Count)
            {
                Vector256<short> difference = Vector256.Create(columns[(j * count + i)..]) - middle;
                (Vector256.Create<short>(distances[i..]) + difference * difference).CopyTo(distances[i..]);
            }
        }
        Span<int> nearest = stackalloc int[Listed]; // distance and number
        nearest.Fill(int.MaxValue);
        for (int i = 0; i < count; i++)
        {
            int key = distances[i] << 16 | i;
            if (key >= nearest[^1])
                continue;
            int at = Listed - 1;
            for (; at > 0 && nearest[at - 1] > key; at--)
                nearest[at] = nearest[at - 1];
            nearest[at] = key;
        }
        for (int n = 0; n < Listed; n++)
        {
            int point = nearest[n] & 0xFFFF;
            _indices[cell * Listed + n] = (ushort)point;
            for (int j = 0; j < width; j++)
                _points[(cell * width + j) * Listed + n] = _book.Points[point * width + j];
        }
    }
}
