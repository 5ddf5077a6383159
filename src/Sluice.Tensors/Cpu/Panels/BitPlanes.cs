using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Cpu;

/// <summary>Codes of 1 to 6 bits as planes of bits, as <see cref="PackedIntegers"/> draws them, and codes of 8 as they are.</summary>
internal static unsafe class BitPlanes
{
    private const int Quads = 8, Vector = 64;

    /// <summary>Packs groups of codes [8, 64] into [bits, 64] bytes.</summary>
    public static void Pack(int bits, byte* codes, int groups, byte* packed)
    {
        for (int g = 0; g < groups; g++, codes += Quads * Vector)
        {
            for (int shift = 0; shift < bits;)
            {
                int width = Plane(bits - shift);
                PackPlane(codes, shift, width, packed);
                packed += width * Vector;
                shift += width;
            }
        }
    }

    /// <summary>Unpacks groups of [bits, 64] bytes to codes [8, 64]; at most 6 bits.</summary>
    public static void Unpack(int bits, byte* packed, int groups, byte* codes)
    {
        switch (bits)
        {
            case 1: Unpack<One>(packed, groups, codes); break;
            case 2: Unpack<Two>(packed, groups, codes); break;
            case 3: Unpack<Three>(packed, groups, codes); break;
            case 4: Unpack<Four>(packed, groups, codes); break;
            case 5: Unpack<Five>(packed, groups, codes); break;
            case 6: Unpack<Six>(packed, groups, codes); break;
            default: throw new ArgumentOutOfRangeException(nameof(bits), bits, "Codes of 1 to 6 bits are packed.");
        }
    }

    /// <summary>Unpacks groups of 4-bit choices to the levels they choose.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void UnpackLevels(byte* packed, int groups, byte* codes, Vector128<byte> levels)
    {
        Vector128<byte> low = Vector128.Create((byte)15);
        for (int g = 0; g < groups; g++, codes += Quads * Vector)
        {
            for (int m = 0; m < 4; m++, packed += Vector)
            {
                for (int part = 0; part < Vector; part += 16)
                {
                    Vector128<byte> pair = Vector128.Load(packed + part);
                    Vector128.ShuffleNative(levels, pair & low).Store(codes + (2 * m * Vector) + part);
                    Vector128.ShuffleNative(levels, pair >>> 4).Store(codes + ((2 * m + 1) * Vector) + part);
                }
            }
        }
    }

    // The widest plane that goes into so many bits.
    private static int Plane(int bits) => bits >= 8 ? 8 : bits >= 4 ? 4 : bits >= 2 ? 2 : 1;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackPlane(byte* codes, int shift, int width, byte* packed)
    {
        int shared = 8 / width; // quads that share a byte
        Vector256<byte> mask = Vector256.Create((byte)((1 << width) - 1));
        for (int m = 0; m < Quads / shared; m++)
        {
            for (int part = 0; part < Vector; part += 32)
            {
                Vector256<byte> result = Vector256<byte>.Zero;
                for (int s = 0; s < shared; s++)
                    result |= ((Vector256.Load(codes + ((m * shared) + s) * Vector + part) >>> shift) & mask) << (s * width);
                result.Store(packed + m * Vector + part);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Unpack<TBits>(byte* packed, int groups, byte* codes)
        where TBits : struct, IBits
    {
        for (int g = 0; g < groups; g++, packed += TBits.Bits * Vector, codes += Quads * Vector)
        {
            // Written out, so that every shift is a constant.
            UnpackQuad<TBits>(packed, codes, 0);
            UnpackQuad<TBits>(packed, codes, 1);
            UnpackQuad<TBits>(packed, codes, 2);
            UnpackQuad<TBits>(packed, codes, 3);
            UnpackQuad<TBits>(packed, codes, 4);
            UnpackQuad<TBits>(packed, codes, 5);
            UnpackQuad<TBits>(packed, codes, 6);
            UnpackQuad<TBits>(packed, codes, 7);
        }
    }

    // The planes are at vectors 0, then 4 if there is one of 4 bits, then 2 more if there is one of 2; their lowest bits likewise.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void UnpackQuad<TBits>(byte* packed, byte* codes, int quad)
        where TBits : struct, IBits
    {
        int two = TBits.Bits & 4, one = two + (TBits.Bits & 2);
        if (Vector512.IsHardwareAccelerated)
        {
            Vector512<ushort> code = Vector512<ushort>.Zero;
            if ((TBits.Bits & 4) != 0)
                code |= Field(Vector512.Load((ushort*)(packed + quad / 2 * Vector)), quad % 2 * 4, 4, 0);
            if ((TBits.Bits & 2) != 0)
                code |= Field(Vector512.Load((ushort*)(packed + (two + quad / 4) * Vector)), quad % 4 * 2, 2, two);
            if ((TBits.Bits & 1) != 0)
                code |= Field(Vector512.Load((ushort*)(packed + one * Vector)), quad, 1, one);
            code.Store((ushort*)(codes + quad * Vector));
            return;
        }
        for (int part = 0; part < Vector; part += 32)
        {
            Vector256<ushort> code = Vector256<ushort>.Zero;
            if ((TBits.Bits & 4) != 0)
                code |= Field(Vector256.Load((ushort*)(packed + quad / 2 * Vector + part)), quad % 2 * 4, 4, 0);
            if ((TBits.Bits & 2) != 0)
                code |= Field(Vector256.Load((ushort*)(packed + (two + quad / 4) * Vector + part)), quad % 4 * 2, 2, two);
            if ((TBits.Bits & 1) != 0)
                code |= Field(Vector256.Load((ushort*)(packed + one * Vector + part)), quad, 1, one);
            code.Store((ushort*)(codes + quad * Vector + part));
        }
    }

    // Bits [from, from + width) of every byte, moved to bit `to`. Pairs of bytes shift together; the mask drops what crosses.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ushort> Field(Vector512<ushort> bytes, int from, int width, int to) =>
        (from >= to ? bytes >>> (from - to) : bytes << (to - from)) & Vector512.Create((ushort)(((1 << width) - 1 << to) * 0x101));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<ushort> Field(Vector256<ushort> bytes, int from, int width, int to) =>
        (from >= to ? bytes >>> (from - to) : bytes << (to - from)) & Vector256.Create((ushort)(((1 << width) - 1 << to) * 0x101));

    private interface IBits
    {
        static abstract int Bits { get; }
    }

    private struct One : IBits
    {
        public static int Bits => 1;
    }

    private struct Two : IBits
    {
        public static int Bits => 2;
    }

    private struct Three : IBits
    {
        public static int Bits => 3;
    }

    private struct Four : IBits
    {
        public static int Bits => 4;
    }

    private struct Five : IBits
    {
        public static int Bits => 5;
    }

    private struct Six : IBits
    {
        public static int Bits => 6;
    }
}
