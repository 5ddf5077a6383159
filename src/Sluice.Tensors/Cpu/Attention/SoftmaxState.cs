using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Sluice.Tensors.KvFormats;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// The running softmax of some query rows (Milakov and Gimelshein 2018; Dao et al. 2022): each row's largest score so far,
/// its sum of exp(score - largest), kept as the lanes of a vector, and its values weighted likewise.
/// </summary>
internal readonly unsafe struct SoftmaxState
{
    private const int Lanes = 16; // room for the widest vector
    private readonly float* largest; // [rows]
    private readonly float* sums; // [rows, Lanes]

    /// <summary>The weighted values [rows, dimension].</summary>
    public readonly float* Values;

    public SoftmaxState(float* memory, int rows)
    {
        sums = memory;
        largest = sums + (rows * Lanes);
        Values = largest + ((rows + Lanes - 1) / Lanes * Lanes);
    }

    /// <summary>The floats that it takes, a multiple of <see cref="Lanes"/> so that the next one is aligned too.</summary>
    public static long Floats(int rows, int dimension) => (rows + 1L + ((rows * ((long)dimension + 1)) / Lanes) + 1) * Lanes;

    /// <summary>Nothing seen.</summary>
    public void Clear(int rows, int dimension)
    {
        new Span<float>(largest, rows).Fill(float.MinValue);
        new Span<float>(sums, rows * Lanes).Clear();
        new Span<float>(Values, rows * dimension).Clear();
    }

    /// <summary>Takes in some rows' scores of a tile, which become weights.</summary>
    /// <param name="first">The first row.</param>
    /// <param name="rows">Rows; up to <see cref="RowProducts.MaxRows"/>.</param>
    /// <param name="scores">The products of their scaled queries with the keys of the tile's slots [rows, slots].</param>
    /// <param name="visible">The slots that each row sees, from the lowest bit.</param>
    /// <param name="cap">The soft cap; 0: none.</param>
    /// <param name="factors">What to multiply each row's earlier values by.</param>
    public void Add(int first, int rows, float* scores, uint* visible, float cap, float* factors)
    {
        if (Vector512.IsHardwareAccelerated)
            Add<Simd512, Vector512<float>>(first, rows, scores, visible, cap, factors);
        else if (Vector256.IsHardwareAccelerated)
            Add<Simd256, Vector256<float>>(first, rows, scores, visible, cap, factors);
        else if (Vector128.IsHardwareAccelerated)
            Add<Simd128, Vector128<float>>(first, rows, scores, visible, cap, factors);
        else
            Add<Simd1, float>(first, rows, scores, visible, cap, factors);
    }

    /// <summary>Takes in what another part of the sequence gave for a row. Nothing seen there changes nothing here, to the bit.</summary>
    public void Merge(int row, in SoftmaxState part, int dimension)
    {
        float max = Math.Max(largest[row], part.largest[row]);
        Functions.Blend blend = new(Exp(largest[row] - max), Exp(part.largest[row] - max));
        Elementwise.Map(blend, sums + (row * Lanes), part.sums + (row * Lanes), sums + (row * Lanes), Lanes);
        float* values = Values + ((long)row * dimension);
        Elementwise.Map(blend, values, part.Values + ((long)row * dimension), values, dimension);
        largest[row] = max;
    }

    /// <summary>A row's weighted mean, with one more score that has no value.</summary>
    public void Finish(int row, float sink, float* result, int dimension)
    {
        float max = Math.Max(largest[row], sink), factor = Exp(largest[row] - max), sum = 0;
        for (int lane = 0; lane < Lanes; lane++)
            sum += sums[(row * Lanes) + lane];
        sum = (sum * factor) + Exp(sink - max);
        float* values = Values + ((long)row * dimension);
        Elementwise.Map(new Functions.Times(factor / sum), values, values, result, dimension);
    }

    private static float Exp(float x) => VectorMath.Exp<Simd1, float>(x);

    // Rows go through each step together, so that their chains of dependent instructions overlap.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Add<S, V>(int first, int rows, float* scores, uint* visible, float cap, float* factors)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        float* before = largest + first, max = stackalloc float[RowProducts.MaxRows];
        bool isHigher = false;
        for (int row = 0; row < rows; row++)
        {
            float* own = scores + (row * KvFormat.BlockSize);
            V top = cap > 0 || visible[row] != uint.MaxValue ? CapAndMask<S, V>(own, visible[row], cap) : Largest<S, V>(own);
            float highest = S.MaxLane(top);
            isHigher |= highest > before[row];
            max[row] = highest > before[row] ? highest : before[row];
        }
        if (isHigher)
            Elementwise.Map(default(Functions.ExpOfDifference), before, max, factors, rows);
        else
            new Span<float>(factors, rows).Fill(1); // exp(0), and the rule once the first tiles are behind
        for (int row = 0; row < rows; row++)
        {
            float* own = scores + (row * KvFormat.BlockSize);
            V sum = S.Create(0), largestScore = S.Create(max[row]);
            for (int i = 0; i < KvFormat.BlockSize; i += S.Width)
            {
                V weight = VectorMath.Exp<S, V>(S.Subtract(S.Load(own + i), largestScore));
                S.Store(own + i, weight);
                sum = S.Add(sum, weight);
            }
            float* lanes = sums + ((first + row) * Lanes);
            S.Store(lanes, S.MultiplyAdd(S.Load(lanes), S.Create(factors[row]), sum));
            before[row] = max[row];
        }
    }

    /// <summary>The largest score of each lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Largest<S, V>(float* scores)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        V top = S.Load(scores);
        for (int i = S.Width; i < KvFormat.BlockSize; i += S.Width)
            top = S.Max(top, S.Load(scores + i));
        return top;
    }

    /// <summary>Caps a row's scores and hides those not seen.</summary>
    /// <returns>The largest of each lane.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static V CapAndMask<S, V>(float* scores, uint visible, float cap)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        V top = S.Create(float.MinValue);
        for (int i = 0; i < KvFormat.BlockSize; i += S.Width)
        {
            V score = S.Load(scores + i);
            if (cap > 0)
                score = S.Multiply(VectorMath.Tanh<S, V>(S.Divide(score, S.Create(cap))), S.Create(cap));
            V seen = S.EqualBits(S.And(S.CreateBits(visible >> i), S.LaneBits), S.LaneBits);
            score = S.Select(seen, score, S.Create(float.NegativeInfinity));
            S.Store(scores + i, score);
            top = S.Max(top, score);
        }
        return top;
    }
}
