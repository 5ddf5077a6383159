using System.Runtime.CompilerServices;

namespace Sluice.Tensors.Cpu;

/// <summary>The inner kernel of <see cref="DenseProduct"/>: a tile of <see cref="Height"/> rows and two vectors of columns, whose sums stay in registers.</summary>
internal static unsafe class ProductTile<S, V>
    where S : struct, ISimd<V>
    where V : unmanaged
{
    /// <summary>Rows of a tile: 12 sums keep the multipliers of every processor busy, and fit in 16 registers.</summary>
    public const int Height = 6;

    /// <summary>Columns of a tile.</summary>
    public static int Width => 2 * S.Width;

    /// <summary>c += a^T b over <paramref name="depth"/> rows of packed a [depth, Height] and b [depth, Width].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Add(float* a, float* b, int depth, float* c, nint stride)
    {
        V s00 = S.Create(0), s01 = s00, s10 = s00, s11 = s00, s20 = s00, s21 = s00, s30 = s00, s31 = s00, s40 = s00, s41 = s00, s50 = s00, s51 = s00;
        for (; depth > 0; depth--)
        {
            V b0 = S.Load(b), b1 = S.Load(b + S.Width), x = S.Create(a[0]);
            s00 = S.MultiplyAdd(x, b0, s00);
            s01 = S.MultiplyAdd(x, b1, s01);
            x = S.Create(a[1]);
            s10 = S.MultiplyAdd(x, b0, s10);
            s11 = S.MultiplyAdd(x, b1, s11);
            x = S.Create(a[2]);
            s20 = S.MultiplyAdd(x, b0, s20);
            s21 = S.MultiplyAdd(x, b1, s21);
            x = S.Create(a[3]);
            s30 = S.MultiplyAdd(x, b0, s30);
            s31 = S.MultiplyAdd(x, b1, s31);
            x = S.Create(a[4]);
            s40 = S.MultiplyAdd(x, b0, s40);
            s41 = S.MultiplyAdd(x, b1, s41);
            x = S.Create(a[5]);
            s50 = S.MultiplyAdd(x, b0, s50);
            s51 = S.MultiplyAdd(x, b1, s51);
            a += Height;
            b += 2 * S.Width;
        }
        AddRow(c, s00, s01);
        AddRow(c + stride, s10, s11);
        AddRow(c + 2 * stride, s20, s21);
        AddRow(c + 3 * stride, s30, s31);
        AddRow(c + 4 * stride, s40, s41);
        AddRow(c + 5 * stride, s50, s51);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRow(float* c, V left, V right)
    {
        S.Store(c, S.Add(S.Load(c), left));
        S.Store(c + S.Width, S.Add(S.Load(c + S.Width), right));
    }
}
