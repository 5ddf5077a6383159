using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Sluice.Tensors.Formats;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// The two products of attention, a few rows at a time: c = factor * c + a b, with a's rows side by side (queries, or softmax
/// weights) and b a tile (keys [dimension][slot], or values [slot][dimension]). Each element is one chain of fused
/// multiply-adds in the order of b's rows, whichever block computes it, so that a row's result does not depend on the rows
/// beside it.
/// </summary>
internal static unsafe class RowProducts
{
    /// <summary>
    /// Memory to fetch into the cache, a line with each row of b. The tiles of a head lie far apart, so that the processor does
    /// not foresee them by itself, and hints given all at once would only queue up: those beside the unpacking of a tile left
    /// decoding waiting for memory while its products left the memory idle.
    /// </summary>
    public readonly struct Fetch(byte* from, int step)
    {
        /// <summary>Where it begins; null: nowhere.</summary>
        public readonly byte* From = from;

        /// <summary>Bytes from a hint to the next.</summary>
        public readonly int Step = step;
    }

    /// <summary>The rows of the largest block: two vectors of sums for each must fit the registers (32, or 16 with AVX2).</summary>
    public static int MaxRows => Vector512.IsHardwareAccelerated || AdvSimd.Arm64.IsSupported ? ProductKernels.MaxRows : 4;

    /// <summary>The rows of the block that does for so many; the caller provides that many.</summary>
    public static int BlockRows(int rows) => ProductKernels.IsSupported ? rows : rows <= 1 ? 1 : rows <= 4 || MaxRows == 4 ? 4 : 8;

    /// <summary>Whether tiles of such cells are read where they lie; others are unpacked to floats.</summary>
    public static bool CanRead(TensorType cell) => cell == TensorType.F32 || ProductKernels.IsSupported;

    /// <summary>c = factors * c + a b, or a b where there are no factors.</summary>
    /// <param name="rows">What <see cref="BlockRows"/> gives.</param>
    /// <param name="a">[rows, depth], the rows <paramref name="aStride"/> values apart.</param>
    /// <param name="aStride">From a row of a to the next.</param>
    /// <param name="depth">The rows of b.</param>
    /// <param name="b">[depth, columns].</param>
    /// <param name="cell">What b consists of.</param>
    /// <param name="columns">The columns of b and c.</param>
    /// <param name="c">[rows, columns].</param>
    /// <param name="factors">[rows], or null.</param>
    /// <param name="fetch">Memory that will be read soon, or none.</param>
    public static void Multiply(
        int rows, float* a, int aStride, int depth, void* b, TensorType cell, int columns, float* c, float* factors, Fetch fetch = default)
    {
        if (fetch.From is null)
            fetch = new Fetch((byte*)b, 0);
        if (ProductKernels.IsSupported)
        {
            ProductArguments arguments = new()
            {
                A = a,
                AStride = aStride * sizeof(float),
                Depth = depth,
                B = (byte*)b,
                BStride = columns * (cell == TensorType.F32 ? sizeof(float) : sizeof(ushort)),
                C = c,
                CStride = columns * sizeof(float),
                Factors = factors,
                Pairs = columns / 32,
                Rest = (nint)((1L << (columns % 32)) - 1),
                Ahead = fetch.From,
                Step = fetch.Step,
            };
            ProductKernels.Multiply(cell, rows, ref arguments);
            return;
        }
        int column = 0;
        if (Vector512.IsHardwareAccelerated)
            column = Pairs<Simd512, Vector512<float>>(column, rows, a, aStride, depth, (float*)b, columns, c, factors, ref fetch);
        if (Vector256.IsHardwareAccelerated)
            column = Pairs<Simd256, Vector256<float>>(column, rows, a, aStride, depth, (float*)b, columns, c, factors, ref fetch);
        if (Vector128.IsHardwareAccelerated)
            column = Pairs<Simd128, Vector128<float>>(column, rows, a, aStride, depth, (float*)b, columns, c, factors, ref fetch);
        column = Pairs<Simd1, float>(column, rows, a, aStride, depth, (float*)b, columns, c, factors, ref fetch);
        if (column < columns)
            Last(rows, a, aStride, depth, (float*)b + column, columns, c + column, factors);
    }

    /// <summary>The columns from <paramref name="column"/> on, two vectors at a time.</summary>
    private static int Pairs<S, V>(
        int column, int rows, float* a, int aStride, int depth, float* b, int columns, float* c, float* factors, ref Fetch fetch)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        for (; column <= columns - (2 * S.Width); column += 2 * S.Width)
        {
            if (rows == 8)
                Block8<S, V>(a, aStride, depth, b + column, columns, c + column, columns, factors, fetch);
            else if (rows == 4)
                Block4<S, V>(a, aStride, depth, b + column, columns, c + column, columns, factors, fetch);
            else
                Block1<S, V>(a, aStride, depth, b + column, columns, c + column, columns, factors, fetch);
            fetch = new Fetch(fetch.From + (depth * fetch.Step), fetch.Step);
        }
        return column;
    }

    /// <summary>One column.</summary>
    private static void Last(int rows, float* a, int aStride, int depth, float* b, int stride, float* c, float* factors)
    {
        for (int row = 0; row < rows; row++)
        {
            float sum = factors is null ? 0 : c[row * stride] * factors[row];
            for (int i = 0; i < depth; i++)
                sum = Simd1.MultiplyAdd(a[(row * aStride) + i], b[i * stride], sum);
            c[row * stride] = sum;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block8<S, V>(float* a, int aStride, int depth, float* b, int stride, float* c, int cStride, float* factors, Fetch fetch)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        float* a0 = a, a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride;
        float* a4 = a3 + aStride, a5 = a4 + aStride, a6 = a5 + aStride, a7 = a6 + aStride;
        V c00 = S.Create(0), c01 = c00;
        V c10 = S.Create(0), c11 = c10;
        V c20 = S.Create(0), c21 = c20;
        V c30 = S.Create(0), c31 = c30;
        V c40 = S.Create(0), c41 = c40;
        V c50 = S.Create(0), c51 = c50;
        V c60 = S.Create(0), c61 = c60;
        V c70 = S.Create(0), c71 = c70;
        if (factors is not null)
        {
            Start<S, V>(c, factors[0], out c00, out c01);
            Start<S, V>(c + (1 * cStride), factors[1], out c10, out c11);
            Start<S, V>(c + (2 * cStride), factors[2], out c20, out c21);
            Start<S, V>(c + (3 * cStride), factors[3], out c30, out c31);
            Start<S, V>(c + (4 * cStride), factors[4], out c40, out c41);
            Start<S, V>(c + (5 * cStride), factors[5], out c50, out c51);
            Start<S, V>(c + (6 * cStride), factors[6], out c60, out c61);
            Start<S, V>(c + (7 * cStride), factors[7], out c70, out c71);
        }
        byte* next = fetch.From;
        for (int i = 0; i < depth; i++, b += stride, next += fetch.Step)
        {
            if (Sse.IsSupported)
                Sse.Prefetch0(next);
            V b0 = S.Load(b), b1 = S.Load(b + S.Width), x;
            x = S.Create(a0[i]);
            c00 = S.MultiplyAdd(x, b0, c00);
            c01 = S.MultiplyAdd(x, b1, c01);
            x = S.Create(a1[i]);
            c10 = S.MultiplyAdd(x, b0, c10);
            c11 = S.MultiplyAdd(x, b1, c11);
            x = S.Create(a2[i]);
            c20 = S.MultiplyAdd(x, b0, c20);
            c21 = S.MultiplyAdd(x, b1, c21);
            x = S.Create(a3[i]);
            c30 = S.MultiplyAdd(x, b0, c30);
            c31 = S.MultiplyAdd(x, b1, c31);
            x = S.Create(a4[i]);
            c40 = S.MultiplyAdd(x, b0, c40);
            c41 = S.MultiplyAdd(x, b1, c41);
            x = S.Create(a5[i]);
            c50 = S.MultiplyAdd(x, b0, c50);
            c51 = S.MultiplyAdd(x, b1, c51);
            x = S.Create(a6[i]);
            c60 = S.MultiplyAdd(x, b0, c60);
            c61 = S.MultiplyAdd(x, b1, c61);
            x = S.Create(a7[i]);
            c70 = S.MultiplyAdd(x, b0, c70);
            c71 = S.MultiplyAdd(x, b1, c71);
        }
        Finish<S, V>(c, c00, c01);
        Finish<S, V>(c + (1 * cStride), c10, c11);
        Finish<S, V>(c + (2 * cStride), c20, c21);
        Finish<S, V>(c + (3 * cStride), c30, c31);
        Finish<S, V>(c + (4 * cStride), c40, c41);
        Finish<S, V>(c + (5 * cStride), c50, c51);
        Finish<S, V>(c + (6 * cStride), c60, c61);
        Finish<S, V>(c + (7 * cStride), c70, c71);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block4<S, V>(float* a, int aStride, int depth, float* b, int stride, float* c, int cStride, float* factors, Fetch fetch)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        float* a0 = a, a1 = a + aStride, a2 = a1 + aStride, a3 = a2 + aStride;
        V c00 = S.Create(0), c01 = c00;
        V c10 = S.Create(0), c11 = c10;
        V c20 = S.Create(0), c21 = c20;
        V c30 = S.Create(0), c31 = c30;
        if (factors is not null)
        {
            Start<S, V>(c, factors[0], out c00, out c01);
            Start<S, V>(c + (1 * cStride), factors[1], out c10, out c11);
            Start<S, V>(c + (2 * cStride), factors[2], out c20, out c21);
            Start<S, V>(c + (3 * cStride), factors[3], out c30, out c31);
        }
        byte* next = fetch.From;
        for (int i = 0; i < depth; i++, b += stride, next += fetch.Step)
        {
            if (Sse.IsSupported)
                Sse.Prefetch0(next);
            V b0 = S.Load(b), b1 = S.Load(b + S.Width), x;
            x = S.Create(a0[i]);
            c00 = S.MultiplyAdd(x, b0, c00);
            c01 = S.MultiplyAdd(x, b1, c01);
            x = S.Create(a1[i]);
            c10 = S.MultiplyAdd(x, b0, c10);
            c11 = S.MultiplyAdd(x, b1, c11);
            x = S.Create(a2[i]);
            c20 = S.MultiplyAdd(x, b0, c20);
            c21 = S.MultiplyAdd(x, b1, c21);
            x = S.Create(a3[i]);
            c30 = S.MultiplyAdd(x, b0, c30);
            c31 = S.MultiplyAdd(x, b1, c31);
        }
        Finish<S, V>(c, c00, c01);
        Finish<S, V>(c + (1 * cStride), c10, c11);
        Finish<S, V>(c + (2 * cStride), c20, c21);
        Finish<S, V>(c + (3 * cStride), c30, c31);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Block1<S, V>(float* a, int aStride, int depth, float* b, int stride, float* c, int cStride, float* factors, Fetch fetch)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        float* a0 = a;
        V c00 = S.Create(0), c01 = c00;
        if (factors is not null)
        {
            Start<S, V>(c, factors[0], out c00, out c01);
        }
        byte* next = fetch.From;
        for (int i = 0; i < depth; i++, b += stride, next += fetch.Step)
        {
            if (Sse.IsSupported)
                Sse.Prefetch0(next);
            V b0 = S.Load(b), b1 = S.Load(b + S.Width), x;
            x = S.Create(a0[i]);
            c00 = S.MultiplyAdd(x, b0, c00);
            c01 = S.MultiplyAdd(x, b1, c01);
        }
        Finish<S, V>(c, c00, c01);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Start<S, V>(float* c, float factor, out V c0, out V c1)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        c0 = S.Multiply(S.Load(c), S.Create(factor));
        c1 = S.Multiply(S.Load(c + S.Width), S.Create(factor));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<S, V>(float* c, V c0, V c1)
        where S : struct, ISimd<V>
        where V : unmanaged
    {
        S.Store(c, c0);
        S.Store(c + S.Width, c1);
    }
}
