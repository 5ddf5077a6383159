using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Floats of 8 bits become pairs of bfloat16 by looking up each byte of these among 128, what a code without its sign can stand for:
/// for four columns at once, whose 16 rows each lie together.
/// </summary>
internal static unsafe class Float8Pairs
{
    private const int Vector = 64, Height = Panels.Height, Codes = 128;

    /// <summary>Whether the processor can look up among 128 bytes (AVX-512 VBMI).</summary>
    public static bool IsSupported => Avx512Vbmi.IsSupported;

    /// <summary>
    /// Where the codes of four columns go: within 16 bytes the first two columns of 4 rows, row by row, and then the others. Unpacking lower and
    /// upper bytes that lie so gives the pairs of 16 rows in order.
    /// </summary>
    public static byte[] Order { get; } =
        [.. Enumerable.Range(0, Vector).Select(at => (byte)((at % 16 / 8 * 2 + at % 2) * Height + at / 16 * 4 + at % 8 / 2))];

    /// <summary>The lower or the upper bytes of what the codes 0 to 127 stand for.</summary>
    /// <param name="bfloat16s">What codes stand for, in lower halves.</param>
    /// <param name="upper">Which bytes.</param>
    public static byte[] Bytes(ReadOnlySpan<int> bfloat16s, bool upper)
    {
        byte[] bytes = new byte[Codes];
        for (int code = 0; code < Codes; code++)
            bytes[code] = (byte)(bfloat16s[code] >> (upper ? 8 : 0));
        return bytes;
    }

    /// <summary>Unpacks columns of 16 codes to pairs of columns, as the kernel of packed codes does in registers.</summary>
    /// <param name="codes">[columns, 16 rows].</param>
    /// <param name="columns">A multiple of 4.</param>
    /// <param name="lower">As <see cref="Bytes"/> has them.</param>
    /// <param name="upper">Likewise.</param>
    /// <param name="pairs">[columns / 2, 16 rows], the even column in the lower half.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Unpack(byte* codes, int columns, ReadOnlySpan<byte> lower, ReadOnlySpan<byte> upper, int* pairs)
    {
        Vector512<byte> order = Vector512.Create(Order), sign = Vector512.Create((byte)0x80);
        Vector512<byte> lower0 = Vector512.Create(lower), lower1 = Vector512.Create(lower[Vector..]);
        Vector512<byte> upper0 = Vector512.Create(upper), upper1 = Vector512.Create(upper[Vector..]);
        for (; columns > 0; columns -= 4, codes += Vector, pairs += 2 * Height)
        {
            Vector512<byte> four = Avx512Vbmi.PermuteVar64x8(Vector512.Load(codes), order);
            // Only the lowest 7 bits of an index count.
            Vector512<byte> low = Avx512Vbmi.PermuteVar64x8x2(lower0, four, lower1);
            Vector512<byte> high = Avx512Vbmi.PermuteVar64x8x2(upper0, four, upper1) | (four & sign);
            Avx512BW.UnpackLow(low, high).AsInt32().Store(pairs);
            Avx512BW.UnpackHigh(low, high).AsInt32().Store(pairs + Height);
        }
    }
}
