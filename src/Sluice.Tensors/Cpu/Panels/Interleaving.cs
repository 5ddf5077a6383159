using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Sluice.Tensors.Cpu;

/// <summary>
/// Four columns of 64 rows, a byte each, become the four vectors of 16 rows by 4 columns that kernels read. Interleaving stays within
/// 16 bytes, so rows lie in the order that comes out right: byte 16 l + 4 j + i of a column is of row 16 j + 4 l + i.
/// </summary>
internal static class Interleaving
{
    /// <summary>Rows of a vector.</summary>
    public const int Rows = 64;

    /// <summary>The row of a byte.</summary>
    public static int RowOf(int position) => (16 * (position / 4 % 4)) + (4 * (position / 16)) + (position % 4);

    /// <summary>The low halves of each 16 bytes, in turn.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> Low(Vector512<byte> a, Vector512<byte> b) =>
        Avx512BW.IsSupported ? Avx512BW.UnpackLow(a, b) : Join(a, b, Low);

    /// <summary>The high halves of each 16 bytes, in turn.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> High(Vector512<byte> a, Vector512<byte> b) =>
        Avx512BW.IsSupported ? Avx512BW.UnpackHigh(a, b) : Join(a, b, High);

    /// <summary>The low halves, in pairs of bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> LowPairs(Vector512<byte> a, Vector512<byte> b) => Avx512BW.IsSupported
        ? Avx512BW.UnpackLow(a.AsUInt16(), b.AsUInt16()).AsByte()
        : Join(a, b, static (a, b) => (Vector128.WidenLower(a.AsUInt16()) | (Vector128.WidenLower(b.AsUInt16()) << 16)).AsByte());

    /// <summary>The high halves, in pairs of bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<byte> HighPairs(Vector512<byte> a, Vector512<byte> b) => Avx512BW.IsSupported
        ? Avx512BW.UnpackHigh(a.AsUInt16(), b.AsUInt16()).AsByte()
        : Join(a, b, static (a, b) => (Vector128.WidenUpper(a.AsUInt16()) | (Vector128.WidenUpper(b.AsUInt16()) << 16)).AsByte());

    private static Vector128<byte> Low(Vector128<byte> a, Vector128<byte> b) =>
        (Vector128.WidenLower(a) | (Vector128.WidenLower(b) << 8)).AsByte();

    private static Vector128<byte> High(Vector128<byte> a, Vector128<byte> b) =>
        (Vector128.WidenUpper(a) | (Vector128.WidenUpper(b) << 8)).AsByte();

    private static Vector512<byte> Join(Vector512<byte> a, Vector512<byte> b, Func<Vector128<byte>, Vector128<byte>, Vector128<byte>> join)
    {
        Vector256<byte> a0 = a.GetLower(), a1 = a.GetUpper(), b0 = b.GetLower(), b1 = b.GetUpper();
        return Vector512.Create(
            Vector256.Create(join(a0.GetLower(), b0.GetLower()), join(a0.GetUpper(), b0.GetUpper())),
            Vector256.Create(join(a1.GetLower(), b1.GetLower()), join(a1.GetUpper(), b1.GetUpper())));
    }
}
