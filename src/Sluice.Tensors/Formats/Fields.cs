using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Sluice.Tensors.Formats;

/// <summary>
/// The moves that block layouts are made of: taking a bit field out of each of a run of bytes. Runs are 16 bytes or a
/// multiple, so that each step is one vector; a result is written as sbyte because that is what a block decomposes into.
/// </summary>
internal static class Fields
{
    /// <summary>A little-endian half, as blocks store their scales.</summary>
    public static float Half(ReadOnlySpan<byte> block, int at) => (float)BinaryPrimitives.ReadHalfLittleEndian(block[at..]);

    /// <summary>Writes a float as a half, as blocks store their scales, and gives what was stored.</summary>
    public static float WriteHalf(float value, Span<byte> block, int at)
    {
        Half half = (Half)value;
        BinaryPrimitives.WriteHalfLittleEndian(block[at..], half);
        return (float)half;
    }

    /// <summary>Writes the low and the high 4 bits of each byte, one after the other.</summary>
    public static void Nibbles(ReadOnlySpan<byte> source, Span<byte> target)
    {
        for (int i = 0; i < target.Length; i++)
            target[i] = (byte)((source[i / 2] >> (i % 2 * 4)) & 15);
    }

    /// <summary>The inverse: two numbers below 16 a byte, the first in its low bits.</summary>
    public static void PackNibbles(ReadOnlySpan<byte> source, Span<byte> target)
    {
        for (int i = 0; i < source.Length; i += 2)
            target[i / 2] = (byte)(source[i] | source[i + 1] << 4);
    }

    /// <summary>Writes <c>target[i] = bits [shift, shift + bits) of source[i]</c>.</summary>
    public static void Extract(ReadOnlySpan<byte> source, int shift, int bits, Span<sbyte> target)
    {
        ReadOnlySpan<Vector128<byte>> from = MemoryMarshal.Cast<byte, Vector128<byte>>(source[..target.Length]);
        Span<Vector128<byte>> to = MemoryMarshal.Cast<sbyte, Vector128<byte>>(target);
        Vector128<byte> mask = Vector128.Create((byte)((1 << bits) - 1));
        for (int i = 0; i < to.Length; i++)
            to[i] = (from[i] >> shift) & mask;
    }

    /// <summary>Ors the same field into <c>target[i]</c>, moved up to bit <paramref name="at"/>.</summary>
    public static void Insert(ReadOnlySpan<byte> source, int shift, int bits, int at, Span<sbyte> target)
    {
        ReadOnlySpan<Vector128<byte>> from = MemoryMarshal.Cast<byte, Vector128<byte>>(source[..target.Length]);
        Span<Vector128<byte>> to = MemoryMarshal.Cast<sbyte, Vector128<byte>>(target);
        Vector128<byte> mask = Vector128.Create((byte)((1 << bits) - 1));
        for (int i = 0; i < to.Length; i++)
            to[i] |= ((from[i] >> shift) & mask) << at;
    }

    /// <summary><see cref="Insert"/> in the direction of writing: from a block's integers into its bytes.</summary>
    public static void Deposit(ReadOnlySpan<sbyte> source, int shift, int bits, int at, Span<byte> target) =>
        Insert(MemoryMarshal.AsBytes(source), shift, bits, at, MemoryMarshal.Cast<byte, sbyte>(target)[..source.Length]);

    /// <summary>Ors bit i of <paramref name="bits"/> into <c>target[i]</c>, moved up to bit <paramref name="at"/>.</summary>
    public static void InsertBits(uint bits, int at, Span<sbyte> target)
    {
        for (int i = 0; i < target.Length; i++)
            target[i] |= (sbyte)(((bits >> i) & 1) << at);
    }

    /// <summary>Bit <paramref name="shift"/> of 32 elements as bits of a number.</summary>
    public static uint CollectBits(ReadOnlySpan<sbyte> source, int shift)
    {
        uint bits = 0;
        for (int i = 0; i < 32; i++)
            bits |= (((uint)source[i] >> shift) & 1) << i;
        return bits;
    }

    /// <summary>Adds <paramref name="offset"/> to every element.</summary>
    public static void Add(Span<sbyte> target, sbyte offset)
    {
        foreach (ref Vector128<sbyte> sixteen in MemoryMarshal.Cast<sbyte, Vector128<sbyte>>(target))
            sixteen += Vector128.Create(offset);
    }

    /// <summary>Replaces every element, which is 0 to 15, by <paramref name="table"/>'s entry of that number.</summary>
    public static void LookUp(ReadOnlySpan<sbyte> table, Span<sbyte> target)
    {
        Vector128<sbyte> entries = Vector128.Create(table);
        foreach (ref Vector128<sbyte> sixteen in MemoryMarshal.Cast<sbyte, Vector128<sbyte>>(target))
            sixteen = Vector128.Shuffle(entries, sixteen);
    }
}
