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

    /// <summary>Takes in a row's scores of a tile, which become weights.</summary>
    /// <param name="row">The row.</param>
    /// <param name="scores">The products of its query with the keys of the tile's slots.</param>
    /// <param name="visible">The slots that it sees, from the lowest bit.</param>
    /// <param name="spec">Scale and soft cap.</param>
    /// <returns>What to multiply the row's earlier values by.</returns>
    public float Add(int row, float* scores, uint visible, in AttentionSpec spec)
    {
        if (Vector512.IsHardwareAccelerated)
            return Add<Simd512, Vector512<float>>(row, scores, visible, spec.Scale, spec.SoftCap);
        if (Vector256.IsHardwareAccelerated)
            return Add<Simd256, Vector256<float>>(row, scores, visible, spec.Scale, spec.SoftCap);
        if (Vector128.IsHardwareAccelerated)
            return Add<Simd128, Vector128<float>>(row, scores, visible, spec.Scale, spec.SoftCap);
        return Add<Simd1, float>(row, scores, visible, spec.Scale, spec.SoftCap);
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private float Add<S, V>(int row, float* scores, uint visible, float scale, float cap)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        V top = S.Create(float.MinValue);
        for (int i = 0; i < KvFormat.BlockSize; i += S.Width)
        {
            V score = S.Multiply(S.Load(scores + i), S.Create(scale));
            if (cap > 0)
                score = S.Multiply(VectorMath.Tanh<S, V>(S.Divide(score, S.Create(cap))), S.Create(cap));
            if (visible != uint.MaxValue)
            {
                V seen = S.EqualBits(S.And(S.CreateBits(visible >> i), S.LaneBits), S.LaneBits);
                score = S.Select(seen, score, S.Create(float.NegativeInfinity));
            }
            S.Store(scores + i, score);
            top = S.Max(top, score);
        }
        float before = largest[row], max = Math.Max(before, S.MaxLane(top));
        float factor = max == before ? 1 : Exp(before - max);
        V sum = S.Create(0);
        for (int i = 0; i < KvFormat.BlockSize; i += S.Width)
        {
            V weight = VectorMath.Exp<S, V>(S.Subtract(S.Load(scores + i), S.Create(max)));
            S.Store(scores + i, weight);
            sum = S.Add(sum, weight);
        }
        float* lanes = sums + (row * Lanes);
        S.Store(lanes, S.MultiplyAdd(S.Load(lanes), S.Create(factor), sum));
        largest[row] = max;
        return factor;
    }
}
