using System.Buffers.Binary;
using System.Runtime.Intrinsics.X86;

namespace Sluice.Tensors.Formats;

/// <summary>
/// Codes of 2 to 8 bits one after the other, the lowest bits first: 8 codes are as many bytes as a code has bits. GPTQ's words of 32
/// bits, those of 3 bits included, are such a stream.
/// </summary>
public static class BitStream
{
    /// <summary>Reads a multiple of 8 codes.</summary>
    public static void Read(ReadOnlySpan<byte> packed, int bits, Span<byte> codes)
    {
        ulong mask = Mask(bits);
        for (int i = 0; i < codes.Length; i += 8, packed = packed[bits..])
        {
            ulong stream = Load(packed, bits), eight = 0;
            if (Bmi2.X64.IsSupported)
                eight = Bmi2.X64.ParallelBitDeposit(stream, mask);
            else
            {
                for (int j = 0; j < 8; j++, stream >>= bits)
                    eight |= (stream & ((1ul << bits) - 1)) << (8 * j);
            }
            BinaryPrimitives.WriteUInt64LittleEndian(codes[i..], eight);
        }
    }

    /// <summary>Writes a multiple of 8 codes.</summary>
    public static void Write(ReadOnlySpan<byte> codes, int bits, Span<byte> packed)
    {
        ulong mask = Mask(bits);
        for (int i = 0; i < codes.Length; i += 8, packed = packed[bits..])
        {
            ulong eight = BinaryPrimitives.ReadUInt64LittleEndian(codes[i..]), stream = 0;
            if (Bmi2.X64.IsSupported)
                stream = Bmi2.X64.ParallelBitExtract(eight, mask);
            else
            {
                for (int j = 7; j >= 0; j--)
                    stream = (stream << bits) | ((eight >> (8 * j)) & ((1ul << bits) - 1));
            }
            for (int j = 0; j < bits; j++)
                packed[j] = (byte)(stream >> (8 * j));
        }
    }

    private static ulong Mask(int bits) => ((1ul << bits) - 1) * 0x0101_0101_0101_0101;

    private static ulong Load(ReadOnlySpan<byte> packed, int bits)
    {
        if (packed.Length >= sizeof(ulong))
            return BinaryPrimitives.ReadUInt64LittleEndian(packed); // what is beyond these codes is masked away
        ulong stream = 0;
        for (int j = bits - 1; j >= 0; j--)
            stream = (stream << 8) | packed[j];
        return stream;
    }
}
